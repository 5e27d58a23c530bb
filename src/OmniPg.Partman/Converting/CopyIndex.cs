using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// An index of the copy that is built behind its rows: empty on the partitioned table first, then for each partition by itself, so that what writers note meanwhile can be
/// applied in between. With that of the last partition it is valid.
/// </summary>
internal sealed class CopyIndex
{
    private readonly QualifiedName _name;
    private readonly QualifiedName _copy;
    private readonly string _tail;

    private CopyIndex(QualifiedName name, QualifiedName copy, string tail) => (_name, _copy, _tail) = (name, copy, tail);

    /// <summary>Its name, without the schema.</summary>
    public string Name => _name.Name.Value;

    /// <summary>Those that are not unique. The others are there from the start: notes find their rows by them.</summary>
    public static IEnumerable<CopyIndex> Of(ConversionTables.Pair pair) => pair.Plain.Indexes.Where(i => i is { IsValid: true, IsUnique: false })
        .Select(i => new CopyIndex(new QualifiedName(pair.Parted.Name.Schema, Replacement.Named(i.Name, ConversionNames.NewEnd)), pair.Parted.Name, i.Tail));

    /// <summary>The unit that makes it, without partitions.</summary>
    public PlanUnit Make() => new()
    {
        Kind = "make-index",
        Reason = $"Index '{_name.Name}' is made, and built partition by partition, which nobody waits for: '{_copy}' is not in use yet.",
        Statements = [$"CREATE INDEX {_name.Name.Quoted} ON ONLY {_copy.Quoted} {_tail}"],
        Locks = [],
    };

    /// <summary>The unit that builds it for a partition.</summary>
    public PlanUnit Build(uint oid, QualifiedName partition)
    {
        // The server chooses the name, as where it builds them all at once.
        var attach = $"DECLARE i pg_catalog.regclass; BEGIN SELECT x.indexrelid INTO STRICT i FROM pg_catalog.pg_index x WHERE x.indrelid = {oid.ToString(CultureInfo.InvariantCulture)} AND x.xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid; "
            + $"EXECUTE pg_catalog.format({PgLiteral.Quote($"ALTER INDEX {_name.Quoted.Replace("%", "%%", StringComparison.Ordinal)} ATTACH PARTITION %s")}, i); END";
        return new()
        {
            Kind = "build-index",
            Child = partition,
            ChildOid = oid,
            Reason = $"Index '{_name.Name}' is built for '{partition}'.",
            Statements = [$"CREATE INDEX ON {partition.Quoted} {_tail}", $"DO {PgLiteral.Quote(attach)}"],
            Locks = [],
        };
    }

    /// <summary>What a plan says of the partitions, which are not there yet.</summary>
    public SqlPlanStep ToStep() => new()
    {
        Kind = "build-index",
        Reason = $"Index '{_name.Name}' is built.",
        Description = "one transaction for each partition; what is written meanwhile is copied in between",
        Locks = [],
    };

    /// <summary>Partitions that it is not built for.</summary>
    public Task<IReadOnlyList<(uint Oid, QualifiedName Name)>> LackingAsync(PgSession session, uint copy) => session.RowsAsync(
        """
        SELECT c.oid, n.nspname::text, c.relname::text FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.inhparent = $1 AND NOT EXISTS (SELECT FROM pg_catalog.pg_index x JOIN pg_catalog.pg_inherits k ON k.inhrelid = x.indexrelid WHERE x.indrelid = c.oid AND k.inhparent = pg_catalog.to_regclass($2)::oid)
        ORDER BY n.nspname, c.relname
        """,
        row => (row.GetFieldValue<uint>(0), QualifiedName.Create(row.GetString(1), row.GetString(2))), PgParameter.Of(copy, NpgsqlDbType.Oid), PgParameter.Text(_name.Quoted));
}
