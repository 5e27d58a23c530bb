using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Partman;

/// <summary>The statements that make a partitioned table beside a plain one, and that let one take the place of the other.</summary>
internal static class Replacement
{
    private const string Like =
        "INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING STATISTICS INCLUDING STORAGE";

    /// <summary>Statements that make the partitioned table, without partitions and rights.</summary>
    /// <param name="live">The table.</param>
    /// <param name="copy">Name of the partitioned one.</param>
    /// <param name="control">The column that it is partitioned by.</param>
    /// <param name="isList">Whether by list.</param>
    /// <param name="shape">Owner, tablespace and the like of the table.</param>
    /// <param name="indexes">Statements for its indexes.</param>
    public static IEnumerable<string> Parent(LiveTable live, QualifiedName copy, PgIdentifier control, bool isList, ParentShape shape, IEnumerable<string> indexes)
    {
        yield return $"CREATE TABLE {copy.Quoted} (LIKE {live.Name.Quoted} {Like}) PARTITION BY {(isList ? "LIST" : "RANGE")} ({control.Quoted})"
            + (shape.Tablespace is { } space ? $" TABLESPACE {PgIdentifier.Create(space).Quoted}" : "");
        foreach (var index in indexes)
            yield return index;
        if (shape.ReplicaIdentity is "f" or "n")
            yield return $"ALTER TABLE {copy.Quoted} REPLICA IDENTITY {(shape.ReplicaIdentity == "f" ? "FULL" : "NOTHING")}";
        foreach (var grantee in shape.DefaultGrantees)
            yield return $"REVOKE ALL ON {copy.Quoted} FROM {grantee} CASCADE";
        if (live.Owner != live.Role)
            yield return $"ALTER TABLE {copy.Quoted} OWNER TO {PgIdentifier.Create(live.Owner).Quoted}";
    }

    /// <summary>Statements that give the partitioned table the indexes of the plain one, with the control column in its primary key, and the names that these have there.</summary>
    public static IEnumerable<(PgIdentifier Name, bool IsUnique, string Statement)> Indexes(LiveTable live, QualifiedName copy, PgIdentifier control)
    {
        foreach (var index in live.Indexes.Where(i => i.IsValid))
        {
            var (own, name) = (Named(index.Name, ConversionNames.NewEnd), Named(index.Name, ConversionNames.NewEnd).Quoted);
            var columns = string.Join(", ", index.Columns.Append(index.Columns.Contains(control.Value) ? null : control.Value).OfType<string>().Select(c => PgIdentifier.Create(c).Quoted));
            yield return (own, index.IsUnique, index switch
            {
                { IsPrimary: true } when index.Columns.Contains(control.Value) => $"ALTER TABLE {copy.Quoted} ADD CONSTRAINT {name} {index.Definition}",
                { IsPrimary: true } => $"ALTER TABLE {copy.Quoted} ADD CONSTRAINT {name} PRIMARY KEY ({columns})",
                { Constraint: "u" } when index.Columns.Contains(control.Value) => $"ALTER TABLE {copy.Quoted} ADD CONSTRAINT {name} {index.Definition}",
                { IsUnique: true } when !index.Columns.Contains(control.Value) => $"CREATE UNIQUE INDEX {name} ON {copy.Quoted} ({columns})",
                _ => $"CREATE {(index.IsUnique ? "UNIQUE " : "")}INDEX {name} ON {copy.Quoted} {index.Tail}",
            });
        }
    }

    /// <summary>Statements behind which the other table draws its numbers where the live one did, under the names that these sequences have had.</summary>
    /// <param name="live">The table in use.</param>
    /// <param name="other">The one that takes its place.</param>
    /// <param name="aside">End of the names of the live table's own sequences by then.</param>
    public static IEnumerable<string> Sequences(LiveTable live, LiveTable other, string aside)
    {
        if (live.Sequences.Count == 0)
            yield break;
        // Who has called nextval holds the sequence until his transaction ends, and may wait for the table next.
        yield return PartmanDatabase.BeforeDeadlocks;
        foreach (var sequence in live.Sequences)
        {
            yield return sequence.IsIdentity ? Identity(sequence)
                : $"ALTER SEQUENCE {sequence.Name.Quoted} OWNED BY {other.Name.Quoted}.{sequence.Column.Quoted}";
        }

        // The sequence of an identity belongs to its table for good, so the other one's own goes on from its numbers. Behind both renames nobody draws any more.
        string Identity(LiveTable.Sequence sequence)
        {
            string Of(QualifiedName table) => $"pg_catalog.pg_get_serial_sequence({PgLiteral.Quote(table.Quoted)}, {PgLiteral.Quote(sequence.Column.Value)})";
            var body = $"DECLARE f pg_catalog.regclass := {Of(live.Name)}; t pg_catalog.regclass := {Of(other.Name)}; g pg_catalog.text; BEGIN "
                + $"EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', f, {PgLiteral.Quote(Named(sequence.Name.Name.Value, aside).Value)}); "
                + $"EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', t, {PgLiteral.Quote(sequence.Name.Name.Value)}); "
                + "EXECUTE pg_catalog.format('SELECT pg_catalog.setval($1, l.last_value, l.is_called) FROM %s AS l', f) USING t; "
                + "FOR g IN SELECT pg_catalog.format('GRANT %s ON SEQUENCE %s TO %s%s', x.privilege_type, t, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, "
                + "CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) AS x WHERE c.oid = f AND x.grantee <> c.relowner LOOP EXECUTE g; END LOOP; END";
            return $"DO {PgLiteral.Quote(body)}";
        }
    }

    /// <summary>Statements behind which the partitions of a set that is used no more have names that nobody writes to: rows would be lost there.</summary>
    public static IEnumerable<string> Hidden(IEnumerable<Partition> partitions) =>
        partitions.Select(p => $"ALTER TABLE {p.Name.Quoted} RENAME TO {PgIdentifier.Create(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"omnipg_aside_{p.Oid}")).Quoted}");

    /// <summary>Statements behind which the other table has the name of the live one, and what hung on it.</summary>
    /// <param name="live">The table in use.</param>
    /// <param name="other">The one that takes its place.</param>
    /// <param name="aside">Ends of the names of both beside the place: of the live one by then, of the other by now.</param>
    /// <param name="carriers">Tables that take the foreign keys unchecked: the other one, or its partitions.</param>
    public static IEnumerable<string> Exchange(LiveTable live, LiveTable other, (string Live, string Other) aside, IReadOnlyList<QualifiedName> carriers)
    {
        var name = live.Name;
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
        // Who takes a set out of part_config by hand leaves its options: they are nobody's.
        yield return $"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table = {after}";
        yield return $"UPDATE {server.OwnSchema.Quoted}.part_option SET parent_table = {after} WHERE parent_table = {before}";
    }

    /// <summary>Statements that take the configuration of a set away.</summary>
    public static IEnumerable<string> Forgotten(PartmanServer server, QualifiedName table)
    {
        var key = PgLiteral.Quote($"{table.Schema!.Value.Value}.{table.Name.Value}");
        yield return $"DELETE FROM {server.ConfigSchema.Quoted}.part_config WHERE parent_table = {key}";
        yield return $"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table = {key}";
    }

    /// <summary>
    /// Locks two tables of which one takes the place of the other: first the one that nobody knows yet, then the tables that the live one refers to, as in a transaction
    /// that writes a row and then one that refers to it, and the live one last, with its partitions, because who writes to one of them by its own name locks nothing else.
    /// </summary>
    public static IEnumerable<string> Lock(LiveTable live, LiveTable other) =>
    [
        $"LOCK TABLE ONLY {other.Name.Quoted} IN ACCESS EXCLUSIVE MODE",
        .. SetState.InLockOrder(live.ForeignKeys.Select(k => k.Referenced)).Select(r => $"LOCK TABLE ONLY {r.Quoted} IN SHARE ROW EXCLUSIVE MODE"),
        $"LOCK TABLE {live.Name.Quoted} IN ACCESS EXCLUSIVE MODE",
    ];

    /// <summary>Statements that end a transaction where a table is not any more what was taken over. Texts of the catalog depend on the settings of the session.</summary>
    public static IEnumerable<string> Unchanged(LiveTable live) =>
    [
        .. PartmanDatabase.ReadableText.Split("; "), "SET LOCAL search_path = pg_catalog, pg_temp",
        "DO " + PgLiteral.Quote(
            $"BEGIN IF ({LiveTable.DigestOf(live.Oid)}) <> {PgLiteral.Quote(live.Digest)} THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', "
            + $"MESSAGE = {PgLiteral.Quote($"'{live.Name}' was altered meanwhile: its columns, indexes, triggers or rights, or what depends on it")}; END IF; END"),
    ];

    /// <summary>A name with another end for the time of a conversion; long ones that begin alike stay apart.</summary>
    public static PgIdentifier Named(string name, string end) => Encoding.UTF8.GetByteCount(name + end) <= PgIdentifier.MaxBytes ? PgIdentifier.Create(name + end)
        : PartitionName.Fit(name, "_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..8] + end);

    private static string Renamed(QualifiedName table, PgIdentifier from, PgIdentifier to) =>
        $"ALTER INDEX IF EXISTS {new QualifiedName(table.Schema, from).Quoted} RENAME TO {to.Quoted}";
}
