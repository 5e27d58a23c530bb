namespace OmniPg.Partman;

/// <summary>The statements that make a partitioned table beside a plain one, and that let one take the place of the other.</summary>
internal static class Replacement
{
    public const string NewEnd = "_omnipg_new";
    public const string OldEnd = "_omnipg_old";
    public const string LogEnd = "_omnipg_log";

    private const string Like =
        "INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING STATISTICS INCLUDING STORAGE";

    /// <summary>Statements that make the partitioned table, without partitions and rights.</summary>
    /// <param name="live">The table.</param>
    /// <param name="copy">Name of the partitioned one.</param>
    /// <param name="control">The column that it is partitioned by.</param>
    /// <param name="isList">Whether by list.</param>
    /// <param name="shape">Owner, tablespace and the like of the table.</param>
    public static IEnumerable<string> Parent(LiveTable live, QualifiedName copy, PgIdentifier control, bool isList, ParentShape shape)
    {
        yield return $"CREATE TABLE {copy.Quoted} (LIKE {live.Name.Quoted} {Like}) PARTITION BY {(isList ? "LIST" : "RANGE")} ({control.Quoted})"
            + (shape.Tablespace is { } space ? $" TABLESPACE {PgIdentifier.Create(space).Quoted}" : "");
        foreach (var index in live.Indexes.Where(i => i.IsValid))
        {
            var name = Named(index.Name, NewEnd).Quoted;
            var columns = string.Join(", ", index.Columns.Append(index.Columns.Contains(control.Value) ? null : control.Value).OfType<string>().Select(c => PgIdentifier.Create(c).Quoted));
            yield return index switch
            {
                { IsPrimary: true } when index.Columns.Contains(control.Value) => $"ALTER TABLE {copy.Quoted} ADD CONSTRAINT {name} {index.Definition}",
                { IsPrimary: true } => $"ALTER TABLE {copy.Quoted} ADD CONSTRAINT {name} PRIMARY KEY ({columns})",
                { Constraint: "u" } when index.Columns.Contains(control.Value) => $"ALTER TABLE {copy.Quoted} ADD CONSTRAINT {name} {index.Definition}",
                { IsUnique: true } when !index.Columns.Contains(control.Value) => $"CREATE UNIQUE INDEX {name} ON {copy.Quoted} ({columns})",
                _ => $"CREATE {(index.IsUnique ? "UNIQUE " : "")}INDEX {name} ON {copy.Quoted} {index.Tail}",
            };
        }
        if (shape.ReplicaIdentity is "f" or "n")
            yield return $"ALTER TABLE {copy.Quoted} REPLICA IDENTITY {(shape.ReplicaIdentity == "f" ? "FULL" : "NOTHING")}";
        foreach (var grantee in shape.DefaultGrantees)
            yield return $"REVOKE ALL ON {copy.Quoted} FROM {grantee} CASCADE";
        if (live.Owner != live.Role)
            yield return $"ALTER TABLE {copy.Quoted} OWNER TO {PgIdentifier.Create(live.Owner).Quoted}";
    }

    /// <summary>Statements behind which the other table has the name of the live one, and what hung on it.</summary>
    /// <param name="live">The table in use.</param>
    /// <param name="other">The one that takes its place.</param>
    /// <param name="aside">Ends of the names of both beside the place: of the live one by then, of the other by now.</param>
    /// <param name="carriers">Tables that take the foreign keys unchecked: the other one, or its partitions.</param>
    public static IEnumerable<string> Exchange(LiveTable live, LiveTable other, (string Live, string Other) aside, IReadOnlyList<QualifiedName> carriers)
    {
        var name = live.Name;
        foreach (var sequence in live.Sequences)
        {
            yield return sequence.IsIdentity
                ? $"SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({PgLiteral.Quote(other.Name.Quoted)}, {PgLiteral.Quote(sequence.Column.Value)})::pg_catalog.regclass, l.last_value, l.is_called) FROM {sequence.Name.Quoted} AS l"
                : $"ALTER SEQUENCE {sequence.Name.Quoted} OWNED BY {other.Name.Quoted}.{sequence.Column.Quoted}";
        }
        // They would act on what is copied back, and keep rows that the former table refers to.
        foreach (var trigger in live.Triggers)
            yield return $"DROP TRIGGER {trigger.Name.Quoted} ON {name.Quoted}";
        foreach (var key in live.ForeignKeys)
            yield return $"ALTER TABLE {name.Quoted} DROP CONSTRAINT {key.Name.Quoted}";
        foreach (var index in live.Indexes)
            yield return Renamed(name, PgIdentifier.Create(index.Name), Named(index.Name, aside.Live));
        yield return $"ALTER TABLE {name.Quoted} RENAME TO {Named(name.Name.Value, aside.Live).Quoted}";
        foreach (var index in live.Indexes)
            yield return Renamed(name, Named(index.Name, aside.Other), PgIdentifier.Create(index.Name));
        yield return $"ALTER TABLE {other.Name.Quoted} RENAME TO {name.Name.Quoted}";
        foreach (var trigger in live.Triggers)
        {
            yield return trigger.Definition;
            if (trigger.Enabled != "O")
                yield return $"ALTER TABLE {name.Quoted} {trigger.Enabled switch { "D" => "DISABLE", "R" => "ENABLE REPLICA", _ => "ENABLE ALWAYS" }} TRIGGER {trigger.Name.Quoted}";
        }
        foreach (var key in live.ForeignKeys)
        {
            foreach (var carrier in carriers)
                yield return $"ALTER TABLE {(carrier == other.Name ? name : carrier).Quoted} ADD CONSTRAINT {key.Name.Quoted} {key.Definition} NOT VALID";
        }
    }

    /// <summary>Statements that give the new table the rights, policies and comment of the former one, under the name that both have had.</summary>
    public static IEnumerable<string> Rights(LiveTable live, ParentShape shape)
    {
        var name = live.Name;
        foreach (var grant in shape.Grants.Concat(live.ColumnGrants).Concat(live.Policies))
            yield return PartitionDdl.Fill(grant, name);
        if (live.HasRowSecurity)
            yield return $"ALTER TABLE {name.Quoted} ENABLE ROW LEVEL SECURITY";
        if (live.ForcesRowSecurity)
            yield return $"ALTER TABLE {name.Quoted} FORCE ROW LEVEL SECURITY";
        if (live.Comment is { } comment)
            yield return $"COMMENT ON TABLE {name.Quoted} IS {PgLiteral.Quote(comment)}";
    }

    /// <summary>Statements that give the configuration of a set another name.</summary>
    public static IEnumerable<string> Configuration(PartmanServer server, QualifiedName from, QualifiedName to, bool automatic)
    {
        var (before, after) = (PgLiteral.Quote($"{from.Schema!.Value.Value}.{from.Name.Value}"), PgLiteral.Quote($"{to.Schema!.Value.Value}.{to.Name.Value}"));
        yield return $"UPDATE {server.ConfigSchema.Quoted}.part_config SET parent_table = {after}, automatic_maintenance = '{(automatic ? "on" : "off")}' WHERE parent_table = {before}";
        yield return $"UPDATE {server.OwnSchema.Quoted}.part_option SET parent_table = {after} WHERE parent_table = {before}";
    }

    /// <summary>Statements that take the configuration of a set away.</summary>
    public static IEnumerable<string> Forgotten(PartmanServer server, QualifiedName table)
    {
        var key = PgLiteral.Quote($"{table.Schema!.Value.Value}.{table.Name.Value}");
        yield return $"DELETE FROM {server.ConfigSchema.Quoted}.part_config WHERE parent_table = {key}";
        yield return $"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table = {key}";
    }

    /// <summary>The statement that ends a transaction where a table is not any more what a conversion took over.</summary>
    public static string Unchanged(LiveTable live) => "DO " + PgLiteral.Quote(
        $"BEGIN IF ({LiveTable.DigestOf(live.Oid)}) <> {PgLiteral.Quote(live.Digest)} THEN RAISE EXCEPTION USING ERRCODE = '{PlanUnit.Overtaken}', "
        + $"MESSAGE = {PgLiteral.Quote($"'{live.Name}' was altered meanwhile: its columns, indexes, triggers or rights, or what depends on it")}; END IF; END");

    /// <summary>The end of a name for the time of a conversion.</summary>
    public static PgIdentifier Named(string name, string end) => PartitionName.Fit(name, end);

    private static string Renamed(QualifiedName table, PgIdentifier from, PgIdentifier to) =>
        $"ALTER INDEX IF EXISTS {new QualifiedName(table.Schema, from).Quoted} RENAME TO {to.Quoted}";
}
