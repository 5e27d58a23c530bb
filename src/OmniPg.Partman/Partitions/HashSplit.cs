using System.Globalization;

namespace OmniPg.Partman;

/// <summary>
/// Splits each partition of a set into a fixed number of tables by the hash of a column: they come and go with their partition, need no care and no configuration
/// of their own, and share out what many writers do at once.
/// </summary>
internal static class HashSplit
{
    // $1 the table, $2 the column: its type, whether the replica identity is an index, and unique indexes without it.
    private const string Look =
        """
        SELECT format_type(a.atttypid, a.atttypmod), c.relreplident = 'i',
            ARRAY(SELECT x.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                  WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum IS NOT NULL AND NOT a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) ORDER BY 1),
            EXISTS (SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod WHERE m.amname = 'hash' AND o.opcdefault
                    AND (o.opcintype = b.oid OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = b.oid AND k.casttarget = o.opcintype AND k.castmethod = 'b')
                         OR (b.typtype = 'e' AND o.opcintype = 'pg_catalog.anyenum'::pg_catalog.regtype)))
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = COALESCE(NULLIF(t.typbasetype, 0), t.oid)
        WHERE c.oid = $1
        """;

    /// <summary>Why the partitions of a table cannot be split as it is wished.</summary>
    public static async Task<IReadOnlyList<InvalidDefinition>> ReasonsAsync(PgSession session, PartmanServer server, uint oid, PartitionSetOptions wish)
    {
        if (wish.HashColumn is not { } column)
            return [];
        var reasons = new List<InvalidDefinition>();
        void Wrong(InvalidDefinitionReason reason, string text) => reasons.Add(new InvalidDefinition(reason, $"Its partitions cannot be split by the hash of '{column}': {text}"));
        var facts = (await session.RowAsync(
            Look, row => new { Type = row.Text(0), HasIdentity = row.GetBoolean(1), Unique = row.GetFieldValue<string[]>(2), CanHash = row.GetBoolean(3) },
            PgParameter.Of(oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(column)).ConfigureAwait(false))!;
        if (facts.Type is null)
            Wrong(InvalidDefinitionReason.ControlMismatch, "there is no such column.");
        else if (!facts.CanHash)
            Wrong(InvalidDefinitionReason.ControlType, $"type '{facts.Type}' has no hash.");
        foreach (var index in facts.Unique)
            Wrong(InvalidDefinitionReason.Uniqueness, $"unique index '{index}' does not hold it.");
        if (facts.HasIdentity)
            Wrong(InvalidDefinitionReason.Unsupported, "the replica identity of the table is an index; FULL, DEFAULT and NOTHING are taken along.");
        if (server.UsesExtension)
            Wrong(InvalidDefinitionReason.Unsupported, "the extension, whose maintenance makes partitions as well, knows no such thing: use PartmanStore.Own.");
        return reasons;
    }

    /// <summary>What makes a new partition one that is split.</summary>
    public static Branch Branch(SetState state, ParentShape shape, NewRange range)
    {
        var (column, count) = (PgIdentifier.Create(state.Set.HashColumn!), state.Set.HashPartitions!.Value);
        shape = shape with { ReplicaIndex = null };
        List<string> statements = [], after = [];
        for (var i = 0; i < count; i++)
        {
            var name = new QualifiedName(range.Name.Schema, Name(state, range.Name.Name, i));
            statements.AddRange(PartitionDdl.CreateBelow(state, shape, name));
            statements.Add($"ALTER TABLE {range.Name.Quoted} ATTACH PARTITION {name.Quoted} FOR VALUES WITH (MODULUS {Number(count)}, REMAINDER {Number(i)})");
            after.AddRange(PartitionDdl.After(state, shape, name));
        }
        return new Branch($"HASH ({column.Quoted})", statements, after);
    }

    // The end that tells the partition is kept, and the table's part cut: two partitions of a long table would share names otherwise.
    private static PgIdentifier Name(SetState state, PgIdentifier partition, int remainder)
    {
        var at = partition.Value.LastIndexOf(state.Set.NamePrefix, StringComparison.Ordinal);
        return PartitionName.Fit(at > 0 ? partition.Value[..at] : partition.Value, (at > 0 ? partition.Value[at..] : "") + "_h" + Number(remainder));
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
