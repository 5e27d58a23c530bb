namespace OmniPg.Partman;

/// <summary>The table that takes the keys of rows that are written to while a conversion is under way, and the triggers that fill it.</summary>
/// <remarks>
/// A trigger that wrote into the copy would be wrong: a writer at REPEATABLE READ does not see the rows that a batch has copied since its snapshot, and a role
/// may have no right on the copy. A note in a log hinders nobody, whatever his isolation and his rights: the function runs as the owner of the table.
/// </remarks>
/// <param name="Table">The log.</param>
/// <param name="Key">The columns that tell every row from every other.</param>
/// <param name="Control">The column that the set is partitioned by.</param>
/// <param name="Plain">The table that is not partitioned: unique by the key alone, where the set is so together with its control column.</param>
internal sealed record KeyLog(QualifiedName Table, IReadOnlyList<KeyLog.KeyColumn> Key, PgIdentifier Control, QualifiedName Plain)
{
    /// <summary>A column of the key.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Type">Its type, as <c>format_type</c> names it.</param>
    internal sealed record KeyColumn(PgIdentifier Name, string Type);

    public static string Column(int index) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"k{index}");

    /// <summary>The columns of the unique index that a table has for the key.</summary>
    public IEnumerable<PgIdentifier> UniqueColumnsOf(QualifiedName table) =>
        table == Plain || Key.Any(k => k.Name == Control) ? Key.Select(k => k.Name) : Key.Select(k => k.Name).Append(Control);

    /// <summary>Statements that make the log and its function.</summary>
    /// <param name="live">The table whose writers are to fill it.</param>
    /// <param name="grantees">Who would get rights on new tables, quoted.</param>
    public IEnumerable<string> Create(LiveTable live, IEnumerable<string> grantees)
    {
        var source = live.Name.Quoted;
        yield return $"CREATE TABLE {Table.Quoted} AS SELECT {string.Join(", ", Key.Select((k, i) => $"s.{k.Name.Quoted} AS {Column(i)}"))}, s.{Control.Quoted} AS c FROM {source} AS s WITH NO DATA";
        yield return $"ALTER TABLE {Table.Quoted} ADD COLUMN id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ADD COLUMN truncated pg_catalog.bool NOT NULL DEFAULT false";
        var columns = string.Join(", ", Key.Select((_, i) => Column(i))) + ", c";
        string Values(string row) => string.Join(", ", Key.Select(k => $"{row}.{k.Name.Quoted}")) + $", {row}.{Control.Quoted}";
        var body =
            $"""
             BEGIN
                 IF TG_OP = 'TRUNCATE' THEN
                     INSERT INTO {Table.Quoted} (truncated) VALUES (true);
                     RETURN NULL;
                 END IF;
                 IF TG_OP <> 'INSERT' THEN
                     INSERT INTO {Table.Quoted} ({columns}) VALUES ({Values("OLD")});
                 END IF;
                 IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND ROW({Values("NEW")}) IS DISTINCT FROM ROW({Values("OLD")}) THEN
                     INSERT INTO {Table.Quoted} ({columns}) VALUES ({Values("NEW")});
                 END IF;
                 RETURN NULL;
             END
             """;
        yield return $"CREATE FUNCTION {Table.Quoted}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {PgLiteral.Quote(body)}";
        yield return $"REVOKE ALL ON FUNCTION {Table.Quoted}() FROM PUBLIC";
        foreach (var grantee in grantees)
            yield return $"REVOKE ALL ON {Table.Quoted} FROM {grantee} CASCADE";
        if (live.Owner == live.Role)
            yield break;
        yield return $"ALTER TABLE {Table.Quoted} OWNER TO {PgIdentifier.Create(live.Owner).Quoted}";
        yield return $"ALTER FUNCTION {Table.Quoted}() OWNER TO {PgIdentifier.Create(live.Owner).Quoted}";
    }

    /// <summary>Statements that make the writers of a table fill the log, those of logical replication among them.</summary>
    public IEnumerable<string> Watch(QualifiedName table) =>
    [
        $"CREATE TRIGGER {RowMoves.LogTrigger} AFTER INSERT OR UPDATE OR DELETE ON {table.Quoted} FOR EACH ROW EXECUTE FUNCTION {Table.Quoted}()",
        $"CREATE TRIGGER {ConversionNames.TruncateTrigger} AFTER TRUNCATE ON {table.Quoted} FOR EACH STATEMENT EXECUTE FUNCTION {Table.Quoted}()",
        $"ALTER TABLE {table.Quoted} ENABLE ALWAYS TRIGGER {RowMoves.LogTrigger}, ENABLE ALWAYS TRIGGER {ConversionNames.TruncateTrigger}",
    ];

    /// <summary>The statement that ends a transaction where writers may have got around the log: whoever turns triggers off and on again leaves them in another state.</summary>
    public static string Watched(LiveTable live)
    {
        var oid = live.Oid.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return "DO " + PgLiteral.Quote(
            $"BEGIN IF EXISTS (SELECT FROM (SELECT {oid}, '{ConversionNames.TruncateTrigger}' UNION SELECT {oid}, '{RowMoves.LogTrigger}' UNION SELECT p.relid::pg_catalog.oid, '{RowMoves.LogTrigger}' FROM pg_catalog.pg_partition_tree({oid}) AS p) AS w (oid, name) "
            + "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = w.oid AND t.tgname = w.name AND t.tgenabled = 'A')) THEN "
            + $"RAISE EXCEPTION USING ERRCODE = '{Refusal.Different}', MESSAGE = 'the triggers that log keys were turned off meanwhile, and what was written then is not known'; END IF; END");
    }

    /// <summary>Statements that let the writers of a table go.</summary>
    public static IEnumerable<string> Unwatch(QualifiedName table) =>
        [$"DROP TRIGGER IF EXISTS {RowMoves.LogTrigger} ON {table.Quoted}", $"DROP TRIGGER IF EXISTS {ConversionNames.TruncateTrigger} ON {table.Quoted}"];

    /// <summary>Statements that take the log away; nothing uses its function any more.</summary>
    public IEnumerable<string> Drop() => [$"DROP FUNCTION IF EXISTS {Table.Quoted}()", $"DROP TABLE IF EXISTS {Table.Quoted}"];
}
