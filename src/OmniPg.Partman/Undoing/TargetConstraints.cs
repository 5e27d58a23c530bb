using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Asks which constraints of a table would refuse rows of a set before any of them moves. Only those are asked about that the set does not have itself; an
/// exclusion constraint, and what rows do that come meanwhile, shows when they move.
/// </summary>
internal static class TargetConstraints
{
    // $1 the set, $2 the table, $3 and $4 their names quoted, $5 the table's for messages: what to say, and the question whether it is so.
    // The rows of the set are called by the name of the table, as a check may do.
    private const string Questions =
        """
        SELECT format('Column ''%s'' of ''%s'' takes no null, and that of the set holds some.', b.attname, $5), format('SELECT EXISTS (SELECT FROM %s AS s WHERE s.%I IS NULL)', $3, b.attname)
        FROM pg_catalog.pg_attribute b JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attname = b.attname AND a.attnum > 0 AND NOT a.attisdropped
        WHERE b.attrelid = $2 AND b.attnum > 0 AND NOT b.attisdropped AND b.attnotnull AND NOT a.attnotnull
        UNION ALL
        SELECT format('Column ''%s'' of ''%s'' takes no null and has no default, and the set does not have it.', b.attname, $5), format('SELECT EXISTS (SELECT FROM %s)', $3)
        FROM pg_catalog.pg_attribute b
        WHERE b.attrelid = $2 AND b.attnotnull AND NOT b.atthasdef AND b.attidentity = '' AND b.attnum IN ({missing})
        UNION ALL
        SELECT format('Check ''%s'' of ''%s'' does not hold for all rows of the set.', k.conname, $5),
            format('SELECT EXISTS (SELECT FROM %s AS %I WHERE (%s) IS FALSE)', $3, t.relname, pg_catalog.pg_get_expr(k.conbin, k.conrelid))
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
        WHERE k.conrelid = $2 AND k.contype = 'c' AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p
            WHERE p.conrelid = $1 AND p.contype = 'c' AND p.convalidated AND pg_catalog.pg_get_expr(p.conbin, p.conrelid) = pg_catalog.pg_get_expr(k.conbin, k.conrelid))
            AND NOT EXISTS ({missing} AND b.attnum = ANY (k.conkey))
        UNION ALL
        SELECT format('Unique index ''%s'' of ''%s'' does not hold for the rows of both.', x.relname, $5),
            format(CASE WHEN n.distinct_nulls AND EXISTS (SELECT FROM pg_catalog.pg_index p WHERE p.indrelid = $1 AND p.indisunique AND p.indisvalid AND p.indpred IS NULL AND p.indexprs IS NULL
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum = ANY (p.indkey) AND a.attname NOT IN
                        (SELECT b.attname FROM pg_catalog.pg_attribute b WHERE b.attrelid = $2 AND b.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))))
                THEN 'SELECT CASE WHEN EXISTS (SELECT FROM ONLY %3$s) THEN EXISTS (%1$s) ELSE false END' ELSE 'SELECT EXISTS (%1$s)' END,
                format('SELECT FROM (SELECT %1$s FROM %2$s AS %3$I WHERE %4$s UNION ALL SELECT %1$s FROM ONLY %5$s AS %3$I WHERE %4$s) AS r WHERE %6$s GROUP BY %7$s HAVING count(*) > 1',
                    c.list, $3, t.relname, COALESCE(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true'), $4,
                    CASE WHEN n.distinct_nulls THEN c.filled ELSE 'true' END, c.names), NULL, $4)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid,
            LATERAL (SELECT string_agg(format('%s AS k%s', pg_catalog.pg_get_indexdef(i.indexrelid, n, true), n), ', ' ORDER BY n), string_agg('r.k' || n || ' IS NOT NULL', ' AND ' ORDER BY n), string_agg('r.k' || n, ', ' ORDER BY n)
                     FROM generate_series(1, i.indnkeyatts) n) AS c (list, filled, names),
            LATERAL (SELECT (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean IS NOT TRUE) AS n (distinct_nulls)
        WHERE i.indrelid = $2 AND i.indisunique AND i.indisvalid
            AND NOT EXISTS ({missing} AND b.attnum IN (SELECT unnest(i.indkey::int2[]) UNION ALL SELECT d.refobjsubid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND d.objid = i.indexrelid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $2))
        UNION ALL
        SELECT format('Foreign key ''%s'' of ''%s'' lacks rows that the set refers to.', f.conname, $5),
            format('SELECT EXISTS (SELECT FROM %s AS s WHERE %s AND NOT EXISTS (SELECT FROM %I.%I AS r WHERE %s))', $3, c.filled, n.nspname, r.relname, c.equal)
        FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class r ON r.oid = f.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace,
            LATERAL (SELECT string_agg(format('s.%I IS NOT NULL', b.attname), ' AND ' ORDER BY k.place), string_agg(format('r.%I OPERATOR(%I.%s) s.%I', y.attname, m.nspname, o.oprname, b.attname), ' AND ' ORDER BY k.place)
                     FROM unnest(f.conkey, f.confkey, f.conpfeqop) WITH ORDINALITY AS k (here, there, operator, place)
                     JOIN pg_catalog.pg_attribute b ON b.attrelid = f.conrelid AND b.attnum = k.here JOIN pg_catalog.pg_attribute y ON y.attrelid = f.confrelid AND y.attnum = k.there
                     JOIN pg_catalog.pg_operator o ON o.oid = k.operator JOIN pg_catalog.pg_namespace m ON m.oid = o.oprnamespace) AS c (filled, equal)
        WHERE f.conrelid = $2 AND f.contype = 'f' AND pg_catalog.has_table_privilege(f.confrelid, 'SELECT') AND pg_catalog.has_schema_privilege(r.relnamespace, 'USAGE')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p WHERE p.conrelid = $1 AND p.contype = 'f' AND p.convalidated AND pg_catalog.pg_get_constraintdef(p.oid) = pg_catalog.pg_get_constraintdef(f.oid))
            AND NOT EXISTS ({missing} AND b.attnum = ANY (f.conkey))
        """;

    // Columns of the table that the set does not have.
    private const string Missing =
        "SELECT b.attnum FROM pg_catalog.pg_attribute b WHERE b.attrelid = $2 AND b.attnum > 0 AND NOT b.attisdropped AND b.attname NOT IN "
        + "(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped)";

    /// <summary>The constraints of a table that rows of a set break.</summary>
    /// <param name="session">A session in a transaction.</param>
    /// <param name="set">The set.</param>
    /// <param name="oid">The set.</param>
    /// <param name="target">The table.</param>
    /// <param name="to">The table.</param>
    public static async Task<IReadOnlyList<InvalidDefinition>> RefusingAsync(PgSession session, QualifiedName set, uint oid, QualifiedName target, uint to)
    {
        var questions = await session.RowsAsync(Questions.Replace("{missing}", Missing, StringComparison.Ordinal), row => (Text: row.GetString(0), Query: row.GetString(1)), PgParameter.Of(oid, NpgsqlDbType.Oid), PgParameter.Of(to, NpgsqlDbType.Oid),
            PgParameter.Text(set.Quoted), PgParameter.Text(target.Quoted), PgParameter.Text(target.ToString())).ConfigureAwait(false);
        await session.ExecuteAsync(PartmanDatabase.AllRows).ConfigureAwait(false);
        var refusing = new List<InvalidDefinition>();
        foreach (var (text, query) in questions)
        {
            // As long as a look through the set takes; nobody waits for it.
            if (await session.Unlimited.ScalarAsync(query).ConfigureAwait(false) is true)
                refusing.Add(new InvalidDefinition(InvalidDefinitionReason.Target, text));
        }
        return refusing;
    }
}
