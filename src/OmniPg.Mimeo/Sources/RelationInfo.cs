using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>One column of a relation.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type with modifiers, as <c>format_type</c> writes it.</param>
/// <param name="IsBinarySafe">Whether every server writes and reads the type's binary form alike.</param>
/// <param name="IsGenerated">Whether the server computes it, so that no COPY may fill it.</param>
internal sealed record ColumnInfo(PgIdentifier Name, string Type, bool IsBinarySafe, bool IsGenerated)
{
    /// <summary>The type without length or precision.</summary>
    public string BaseType => Type.IndexOf('(', StringComparison.Ordinal) is > 0 and var open ? Type[..open] + Type[(Type.IndexOf(')', StringComparison.Ordinal) + 1)..] : Type;

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

    /// <summary>The type that holds values of any length or precision: without one, <c>character</c> and <c>bit</c> have the length 1.</summary>
    public string OpenType => Type.Contains('"', StringComparison.Ordinal) ? Type : BaseType switch
    {
        "character" => "bpchar",
        "character[]" => "bpchar[]",
        "bit" => "bit varying",
        "bit[]" => "bit varying[]",
        var type => type,
    };
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
            SELECT a.attnum, a.atttypid AS type, 1 AS depth FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT p.attnum, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END, p.depth + 1
            FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE p.depth < 10 AND (t.typtype = 'd' OR t.typcategory = 'A'))
        SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
            (SELECT bool_and(t.typtype IN ('e', 'd') OR t.typcategory = 'A'
                OR t.typtype <> 'c' AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typsend <> 0 AND t.typreceive <> 0 AND t.typname !~ '^(reg|aclitem|pg_(node_tree|ndistinct|dependencies|mcv_list|brin))')
             FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type WHERE p.attnum = a.attnum),
            a.attgenerated <> ''
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """;

    /// <summary>Looks a relation up; null when there is none.</summary>
    public static async Task<RelationInfo?> FindAsync(PgSession session, QualifiedName name)
    {
        var found = await session.RowAsync(Relation, row => new RelationInfo(name, row.GetFieldValue<uint>(0), row.GetFieldValue<char>(1), row.BigInt(2), []),
            PgParameter.Text(name.Schema!.Value.Value), PgParameter.Text(name.Name.Value)).ConfigureAwait(false);
        return found is null ? null : found with
        {
            Columns = await session.RowsAsync(ColumnsOf, row => new ColumnInfo(PgIdentifier.Create(row.GetString(0)), row.GetString(1), row.IsTrue(2), row.GetBoolean(3)),
                PgParameter.Of(found.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false),
        };
    }

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
