using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>One column of a relation.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type with modifiers, as <c>format_type</c> writes it.</param>
/// <param name="IsBinarySafe">Whether every server writes and reads the type's binary form alike.</param>
/// <param name="IsGenerated">Whether the server computes it, so that no COPY may fill it.</param>
/// <param name="Under">Of a domain, the type that it is made of, with modifiers; null for any other type.</param>
/// <param name="Collate">Of a domain, the clause for a collation that is not the one of that type; else empty.</param>
/// <param name="HoldsNumber">Whether its binary form holds the number of a type that each database gives for itself: it has arrays of enums or domains.</param>
internal sealed record ColumnInfo(PgIdentifier Name, string Type, bool IsBinarySafe, bool IsGenerated, string? Under, string Collate, bool HoldsNumber)
{
    /// <summary>Whether columns travel in binary.</summary>
    /// <param name="columns">The columns, as the source has them.</param>
    /// <param name="into">Major of the server that reads them: one before 14 wants its own numbers of types.</param>
    public static bool AreBinary(IEnumerable<ColumnInfo> columns, int into) => columns.All(c => c.IsBinarySafe && (into >= 14 || !c.HoldsNumber));

    /// <summary>The type without length or precision.</summary>
    public string BaseType => Bare(Type);

    /// <summary>Whether a type holds fewer values than another one of the same name, for its length or precision.</summary>
    public static bool IsNarrower(string here, string there)
    {
        var (own, other) = (Numbers(here), Numbers(there));
        if (here == there || own.Length == 0 || other.Length == 0)
            return here != there && own.Length > 0;
        var (scale, otherScale) = (own.ElementAtOrDefault(1), other.ElementAtOrDefault(1));
        return scale < otherScale || own[0] - scale < other[0] - otherScale;

        // Types of extensions may have words there.
        static int[] Numbers(string type) => type.IndexOf('(', StringComparison.Ordinal) is > 0 and var open
            ? [.. type[(open + 1)..type.IndexOf(')', open)].Split(',').Select(n => int.TryParse(n, CultureInfo.InvariantCulture, out var number) ? number : 0)] : [];
    }

    /// <summary>The type that holds values of any length or precision, and what no domain takes: without a length, <c>character</c> and <c>bit</c> have the length 1.</summary>
    public string OpenType => (Under ?? Type) is var type && type.Contains('"', StringComparison.Ordinal) ? type : Bare(type) switch
    {
        "character" => "bpchar",
        "character[]" => "bpchar[]",
        "bit" => "bit varying",
        "bit[]" => "bit varying[]",
        var bare => bare,
    };

    private static string Bare(string type) => type.IndexOf('(', StringComparison.Ordinal) is > 0 and var open ? type[..open] + type[(type.IndexOf(')', StringComparison.Ordinal) + 1)..] : type;
}

/// <summary>What the catalog says of a table or view, on either side.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Oid">Its number.</param>
/// <param name="Kind"><c>relkind</c>.</param>
/// <param name="EstimatedRows">Rows by the statistics; null when there are none.</param>
/// <param name="Columns">Live columns in their order.</param>
internal sealed record RelationInfo(QualifiedName Name, uint Oid, char Kind, long? EstimatedRows, IReadOnlyList<ColumnInfo> Columns)
{
    private const string Relation =
        """
        SELECT c.oid, c.relkind, CASE WHEN c.reltuples > 0 AND c.relkind IN ('r', 'm') THEN c.reltuples::bigint END
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        """;

    // A type travels in binary when it is of the catalog and its form names no object of its server: not reg…, aclitem or a composite type, whose form holds
    // numbers of types (src/backend/utils/adt/rowtypes.c, record_recv). Enums and domains are fine, and arrays of them since 14 (arrayfuncs.c, array_recv).
    private const string ColumnsOf =
        """
        WITH RECURSIVE part AS (
            SELECT a.attnum, a.atttypid AS type, a.atttypmod AS mod, 1 AS depth, true AS is_whole FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT p.attnum, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END, t.typtypmod, p.depth + 1, p.is_whole AND t.typtype = 'd'
            FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE p.depth < 10 AND (t.typtype = 'd' OR t.typcategory = 'A'))
        SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
            (SELECT bool_and(t.typtype IN ('e', 'd') OR t.typcategory = 'A'
                OR t.typtype <> 'c' AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typsend <> 0 AND t.typreceive <> 0 AND t.typname !~ '^(reg|aclitem|pg_(node_tree|ndistinct|dependencies|mcv_list|brin))')
             FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE p.attnum = a.attnum),
            a.attgenerated <> '', pg_catalog.format_type(u.type, u.mod), (SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
                FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation AND l.oid <> u.typcollation),
            EXISTS (SELECT FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type JOIN pg_catalog.pg_type e ON e.oid = t.typelem
                WHERE p.attnum = a.attnum AND t.typtype <> 'd' AND t.typcategory = 'A' AND e.typnamespace <> 'pg_catalog'::regnamespace)
        FROM pg_catalog.pg_attribute a LEFT JOIN LATERAL (
            SELECT p.type, p.mod, t.typcollation FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE p.attnum = a.attnum AND p.depth > 1 AND p.is_whole ORDER BY p.depth DESC LIMIT 1) u ON true
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """;

    /// <summary>Looks a relation up; null when there is none.</summary>
    public static async Task<RelationInfo?> FindAsync(PgSession session, QualifiedName name)
    {
        var found = await session.RowAsync(Relation, row => new RelationInfo(name, row.GetFieldValue<uint>(0), row.GetFieldValue<char>(1), row.BigInt(2), []),
            PgParameter.Text(name.Schema!.Value.Value), PgParameter.Text(name.Name.Value)).ConfigureAwait(false);
        return found is null ? null : found with { Columns = await ColumnsAsync(session, found.Oid).ConfigureAwait(false) };
    }

    /// <summary>Gives the columns of a temporary table the types that their domains are made of.</summary>
    /// <remarks>A row that is gone has no values, which a domain may refuse even there; the table that the rows go to checks what comes into it.</remarks>
    public static async Task RelaxAsync(PgSession session, QualifiedName table)
    {
        var oid = (uint)(await session.ScalarAsync("SELECT $1::pg_catalog.regclass::oid", PgParameter.Text(table.Quoted)).ConfigureAwait(false))!;
        if (RelaxStatement(table, await ColumnsAsync(session, oid).ConfigureAwait(false)) is { } statement)
            await session.ExecuteAsync(statement).ConfigureAwait(false);
    }

    /// <summary>The statement of <see cref="RelaxAsync"/>; null where no column has a domain.</summary>
    public static string? RelaxStatement(QualifiedName table, IEnumerable<ColumnInfo> columns)
    {
        var changes = columns.Where(c => c.Under is not null).Select(c => $"ALTER COLUMN {c.Name.Quoted} TYPE {c.Under}{c.Collate}").ToArray();
        return changes.Length == 0 ? null : $"ALTER TABLE {table.Quoted} {string.Join(", ", changes)}";
    }

    private static Task<IReadOnlyList<ColumnInfo>> ColumnsAsync(PgSession session, uint relation) => session.RowsAsync(
        ColumnsOf, row => new ColumnInfo(PgIdentifier.Create(row.GetString(0)), row.GetString(1), row.IsTrue(2), row.GetBoolean(3), row.Text(4), row.Text(5) ?? "", row.GetBoolean(6)),
        PgParameter.Of(relation, NpgsqlTypes.NpgsqlDbType.Oid));

    /// <summary>The columns to copy: all, or those of a filter.</summary>
    /// <exception cref="ColumnDriftException">The filter names columns that are not there.</exception>
    public IReadOnlyList<ColumnInfo> Pick(IReadOnlyList<string> filter, QualifiedName destination)
    {
        var missing = filter.Where(name => Columns.All(c => c.Name.Value != name)).ToArray();
        if (missing.Length > 0)
            throw new ColumnDriftException(destination, [.. missing.Select(name => $"the source has no column '{name}'")], "Correct the list of columns.");
        return filter.Count == 0 ? Columns : [.. Columns.Where(c => filter.Contains(c.Name.Value))];
    }
}
