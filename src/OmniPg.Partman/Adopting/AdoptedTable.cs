using System.Globalization;
using System.Text.Json;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>A table with partitions, or with tables that inherit from it, as the catalog and a row of pg_partman 4 tell it.</summary>
internal sealed record AdoptedTable
{
    // The newest partitions tell the step that they were made with: a set grows at its end, and what it was cut into before retires as it is.
    private const int Newest = 12;

    // $1 schema, $2 name.
    private const string Look =
        """
        SELECT c.oid, c.relkind::text, c.relispartition, p.partstrat::text, p.partnatts, a.attname::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner)::text,
            ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.connoinherit ORDER BY k.conname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
        WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
        """;

    // $1 the table.
    private const string OfChildren =
        """
        SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, pg_catalog.pg_get_expr(c.relpartbound, c.oid), c.xmin::text,
            ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated ORDER BY k.conname),
            EXISTS (SELECT FROM pg_catalog.pg_inherits g WHERE g.inhparent = c.oid) OR (SELECT count(*) FROM pg_catalog.pg_inherits g WHERE g.inhrelid = c.oid) > 1,
            ARRAY(SELECT pg_catalog.concat(i.indisunique, i.indisprimary, COALESCE(k.contype::text, '-'), substr(pg_catalog.pg_get_indexdef(i.indexrelid), strpos(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING ')))
                  FROM pg_catalog.pg_index i LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x') WHERE i.indrelid = c.oid AND i.indisvalid),
            ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.convalidated), c.reltuples::bigint
        FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE h.inhparent = $1 ORDER BY c.relname
        """;

    /// <summary>One of its tables.</summary>
    /// <param name="Oid">The table.</param>
    /// <param name="Name">Its name.</param>
    /// <param name="Kind">As in <c>pg_class.relkind</c>.</param>
    /// <param name="Bound">Its bound; null for a table that merely inherits.</param>
    /// <param name="Version">Version of its row in the catalog.</param>
    /// <param name="Checks">Its checks.</param>
    /// <param name="IsTangled">Whether tables inherit from it, or it inherits from more than one.</param>
    /// <param name="Indexes">What its indexes are, in the form of <see cref="IndexText"/>.</param>
    /// <param name="ForeignKeys">Definitions of its foreign keys.</param>
    /// <param name="Rows">Rows by the server's last count.</param>
    internal sealed record Child(
        uint Oid, QualifiedName Name, string Kind, string? Bound, string Version, string[] Checks, bool IsTangled, string[] Indexes, string[] ForeignKeys, long Rows);

    public required uint Oid { get; init; }

    /// <summary>As in <c>pg_class.relkind</c>.</summary>
    public required string Kind { get; init; }

    public required bool IsChild { get; init; }

    /// <summary>As in <c>pg_partitioned_table.partstrat</c>.</summary>
    public string? Strategy { get; init; }

    public required int KeyColumns { get; init; }

    /// <summary>Its key column; null for an expression, or for a table that is not partitioned.</summary>
    public string? KeyColumn { get; init; }

    public required bool IsOwned { get; init; }

    public required string Owner { get; init; }

    public IReadOnlyList<Child> Children { get; init; } = [];

    /// <summary>Names of checks that the table does not hand on.</summary>
    public required string[] OwnChecks { get; init; }

    /// <summary>The row of the extension that the client does not keep its configuration in; null for none.</summary>
    public JsonElement? Row { get; init; }

    /// <summary>Whether the extension has split partitions of it further.</summary>
    public bool HasSubRow { get; init; }

    public static async Task<AdoptedTable?> ReadAsync(PgSession session, PartmanServer server, QualifiedName table)
    {
        var found = await session.RowAsync(Look, row => new AdoptedTable
        {
            Oid = row.GetFieldValue<uint>(0),
            Kind = row.GetString(1),
            IsChild = row.GetBoolean(2),
            Strategy = row.Text(3),
            KeyColumns = row.IsDBNull(4) ? 0 : row.GetInt16(4),
            KeyColumn = row.Text(5),
            IsOwned = row.GetBoolean(6),
            Owner = row.GetString(7),
            OwnChecks = row.GetFieldValue<string[]>(8),
        }, PgParameter.Text(table.Schema!.Value.Value), PgParameter.Text(table.Name.Value)).ConfigureAwait(false);
        if (found is null)
            return null;
        var children = await session.RowsAsync(OfChildren, row => new Child(
            row.GetFieldValue<uint>(0), QualifiedName.Create(row.GetString(1), row.GetString(2)), row.GetString(3), row.Text(4), row.GetString(5), row.GetFieldValue<string[]>(6), row.GetBoolean(7),
            row.GetFieldValue<string[]>(8), row.GetFieldValue<string[]>(9), row.GetInt64(10)), PgParameter.Of(found.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false);
        found = found with { Children = children };
        if (server is { UsesExtension: true } or { ExtensionSchema: null })
            return found;
        var (schema, key) = (server.ExtensionSchema!.Value.Quoted, $"{table.Schema!.Value.Value}.{table.Name.Value}");
        if (await session.ScalarAsync($"SELECT to_jsonb(g)::text FROM {schema}.part_config g WHERE g.parent_table = $1", PgParameter.Text(key)).ConfigureAwait(false) is not string json)
            return found;
        using var document = JsonDocument.Parse(json);
        found = found with { Row = document.RootElement.Clone() };
        // Raw names with a dot between, and perhaps dots in them.
        var templates = await session.RowsAsync(
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = $1 AND c.relkind = 'r'",
            row => QualifiedName.Create(row.GetString(0), row.GetString(1)), PgParameter.Text(found.Said("template_table"))).ConfigureAwait(false);
        return found with
        {
            Template = templates is [var template] ? template : null,
            HasSubRow = await session.ScalarAsync($"SELECT EXISTS (SELECT FROM {schema}.part_config_sub s WHERE s.sub_parent = $1)", PgParameter.Text(key)).ConfigureAwait(false) is true,
        };
    }

    /// <summary>The template that the row names; null where it names none, or none that is there.</summary>
    public QualifiedName? Template { get; init; }

    /// <summary>A text of the row; null where there is none.</summary>
    public string? Said(string column) => Row is { } row && row.TryGetProperty(column, out var value) ? value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetInt64().ToString(CultureInfo.InvariantCulture),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => null,
    } : null;

    /// <summary>An index as the children's are told: whether it is unique and a primary key, which constraint it stands for, and what it is on.</summary>
    public static string IndexText(LiveTable.Index index) =>
        $"{(index.IsUnique ? "t" : "f")}{(index.IsPrimary ? "t" : "f")}{index.Constraint ?? "-"} {index.Tail}";

    /// <summary>The statement that ends a transaction where other tables inherit by then, or with other checks.</summary>
    /// <param name="session">A session in a transaction with <see cref="PartmanDatabase.ReadableText"/>, as the statement needs it.</param>
    public async Task<string> UnchangedAsync(PgSession session)
    {
        var known = (string)(await session.ScalarAsync(DigestOfChildren).ConfigureAwait(false))!;
        return "DO " + PgLiteral.Quote($"BEGIN IF ({DigestOfChildren}) IS DISTINCT FROM {PgLiteral.Quote(known)} THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', "
            + "MESSAGE = 'other tables inherit from it by now, or their checks were altered'; END IF; END");
    }

    private string DigestOfChildren =>
        "SELECT pg_catalog.md5(string_agg(pg_catalog.concat_ws(' ', h.inhrelid, (SELECT string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname) FROM pg_catalog.pg_constraint k "
        + $"WHERE k.conrelid = h.inhrelid AND k.contype = 'c' AND k.convalidated)), ',' ORDER BY h.inhrelid)) FROM pg_catalog.pg_inherits h WHERE h.inhparent = {Oid.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>The length of most of the newest ranges, the last among them; null when they have none in common.</summary>
    /// <param name="ranges">Readings of one clock, the newest last.</param>
    public static PgInterval? StepOfTimes(IReadOnlyList<(DateTime Lower, DateTime Upper)> ranges)
    {
        var some = ranges.TakeLast(Newest).ToList();
        foreach (var step in some.Count == 0 ? [] : Lengths(some[^1].Lower, some[^1].Upper))
        {
            if (some.Count(r => step.AddTo(r.Lower) == r.Upper) * 2 >= some.Count)
                return step;
        }
        return null;
    }

    /// <summary>The number of ids in most of the newest ranges, the last among them; null when they have none in common.</summary>
    public static long? StepOfIds(IReadOnlyList<(long Lower, long Upper)> ranges)
    {
        var some = ranges.TakeLast(Newest).ToList();
        return some.Count > 0 && some[^1].Upper - some[^1].Lower is var step && some.Count(r => r.Upper - r.Lower == step) * 2 >= some.Count ? step : null;
    }

    // February and the four weeks are the same length in one year of four: what is longer in words comes first, and the other ranges decide.
    private static IEnumerable<PgInterval> Lengths(DateTime lower, DateTime upper)
    {
        var months = ((upper.Year - lower.Year) * 12) + upper.Month - lower.Month;
        if (months > 0 && PgInterval.OfMonths(months).AddTo(lower) == upper)
            yield return PgInterval.OfMonths(months);
        var length = upper - lower;
        if (length.Ticks % TimeSpan.TicksPerDay == 0)
            yield return PgInterval.OfDays(length.Days);
        else if (length >= TimeSpan.FromSeconds(1))
            yield return PgInterval.FromTimeSpan(length);
    }
}
