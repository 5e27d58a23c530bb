using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>The function of a queue's trigger, in which an error would be one of the application.</summary>
/// <remarks>
/// <para>So no statement of it needs the source to have a column of some name. A name that the row has is the row's, and one that it has not is a null beside it
/// (src/backend/parser/parse_relation.c, colNameToVar goes from the inner query to the outer one): a column that is dropped or renamed costs its value, and no DELETE.</para>
/// <para>Its statements hold the source's number, so that a session which has planned them plans them anew when a column gets another type (src/backend/optimizer/plan/setrefs.c, fix_expr_common).</para>
/// <para>Rows are compared by their bytes: that works for every type and finds its operator in pg_catalog. Columns that only the condition or an expression reads are not known, so with one any change
/// counts; nor do values that the server computes when they are read stand in the row.</para>
/// </remarks>
/// <param name="queue">The queue.</param>
/// <param name="queued">Columns that it has.</param>
/// <param name="source">The table that has the trigger.</param>
/// <param name="spec">Whose queue.</param>
internal sealed class QueueFunction(QualifiedName queue, IReadOnlyCollection<PgIdentifier> queued, RelationInfo source, ReplicationSpec spec)
{
    private readonly PgIdentifier[] _key = [.. spec.Key.Select(PgIdentifier.Create)];

    /// <summary>Its text.</summary>
    public string Body() =>
        $"""

        #variable_conflict use_column
        BEGIN
            IF TG_OP = 'DELETE' THEN
                {Deleted()};
            ELSIF TG_OP = 'INSERT' THEN
                INSERT INTO {queue.Quoted} ({List(_key)}) SELECT becomes.* FROM {Row("NEW", _key)} AS becomes;
            ELSIF OLD OPERATOR(pg_catalog.*<>) NEW THEN
                {Updated()};
            END IF;
            RETURN NULL;
        END

        """;

    private string Deleted()
    {
        if (spec.Kind != ReplicationKind.Logdel)
            return $"INSERT INTO {queue.Quoted} ({List(_key)}) SELECT was.* FROM {Row("OLD", _key)} AS was";
        var kept = Copied().Select(c => c.Name).Where(c => queued.Contains(c) && !TableRun.IsOfQueue(spec, c)).ToArray();
        return $"INSERT INTO {queue.Quoted} ({List(kept)}, {TableRun.Deleted.Quoted}) SELECT was.*, pg_catalog.clock_timestamp() FROM {Row("OLD", kept)} AS was";
    }

    // Of a row whose key has changed both keys.
    private string Updated()
    {
        var sql = $"INSERT INTO {queue.Quoted} ({List(_key)}) SELECT changed.* FROM {Row("OLD", _key)} AS was CROSS JOIN {Row("NEW", _key)} AS becomes"
            + " CROSS JOIN LATERAL (SELECT was.* WHERE ROW(was.*)::record OPERATOR(pg_catalog.*<>) ROW(becomes.*)::record UNION ALL SELECT becomes.*) AS changed";
        if (spec.Columns.Count == 0 || spec.Condition is not null || spec.Expressions.Count > 0 || Copied().Any(c => c.IsGenerated))
            return sql;
        var seen = spec.Columns.Concat(spec.Key).Distinct(StringComparer.Ordinal).Select(PgIdentifier.Create).ToArray();
        return $"{sql} CROSS JOIN {Row("OLD", seen)} AS had CROSS JOIN {Row("NEW", seen)} AS has WHERE ROW(had.*)::record OPERATOR(pg_catalog.*<>) ROW(has.*)::record";
    }

    private IEnumerable<ColumnInfo> Copied() => source.Columns.Where(c => spec.Columns.Count == 0 || spec.Columns.Contains(c.Name.Value));

    // With the types of the queue where the row has no such column.
    private string Row(string record, IReadOnlyList<PgIdentifier> columns)
    {
        var absent = string.Concat(columns.Where(c => !queued.Contains(c)).Select(c => $", NULL AS {c.Quoted}"));
        return string.Create(CultureInfo.InvariantCulture,
            $"(SELECT found.* FROM (SELECT (NULL::{queue.Quoted}).*{absent} WHERE '{source.Oid}'::pg_catalog.regclass IS NOT NULL) AS absent CROSS JOIN LATERAL (SELECT {List(columns)} FROM (SELECT {record}.*) AS present) AS found)");
    }

    private static string List(IEnumerable<PgIdentifier> columns) => string.Join(", ", columns.Select(c => c.Quoted));
}
