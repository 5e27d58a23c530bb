using Npgsql;

namespace OmniPg.Partman;

/// <summary>What a new partition takes over from its parent beyond what <c>LIKE</c> and <c>ATTACH</c> bring, and from the template.</summary>
internal sealed record ParentShape
{
    // $1 the parent, $2 the template (0 for none).
    private const string Look =
        """
        SELECT pg_catalog.pg_get_userbyid(c.relowner)::text, current_user::text, (SELECT t.spcname::text FROM pg_catalog.pg_tablespace t WHERE t.oid = c.reltablespace),
            c.relreplident::text,
            (SELECT format('%I.%I', n.nspname, x.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace WHERE i.indrelid = c.oid AND i.indisreplident),
            ARRAY(SELECT format('ALTER COLUMN %I SET STATISTICS %s', a.attname, a.attstattarget) FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0),
            ARRAY(SELECT format('GRANT %s ON %%s TO %s%s', string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type),
                      CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
                  FROM pg_catalog.aclexplode(c.relacl) x GROUP BY x.grantee, x.is_grantable),
            ARRAY(SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END
                  FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) x
                  WHERE d.defaclobjtype = 'r' AND pg_catalog.pg_get_userbyid(d.defaclrole) = current_user AND d.defaclnamespace IN (0, c.relnamespace)),
            ARRAY(SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
            t.relpersistence = 'u',
            ARRAY(SELECT o FROM unnest(t.reloptions) o UNION ALL SELECT 'toast.' || o FROM unnest(s.reloptions) o),
            ARRAY(SELECT CASE WHEN i.indisprimary THEN format('ALTER TABLE %%s ADD PRIMARY KEY (%s)%s',
                             (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                              JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum), COALESCE(' USING INDEX TABLESPACE ' || quote_ident(ts.spcname), ''))
                         WHEN i.indisexclusion THEN 'ALTER TABLE %s ADD ' || (SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'x')
                         ELSE format('CREATE %sINDEX ON %%s USING %s', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END,
                             substr(d.text, length(format('CREATE %sINDEX %I ON %I.%I USING ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, tn.nspname, t.relname)) + 1)) END
                  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = x.reltablespace,
                      LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid)) AS d (text)
                  WHERE i.indrelid = t.oid AND i.indisvalid AND NOT EXISTS (
                      SELECT 1 FROM pg_catalog.pg_index p WHERE p.indrelid = c.oid AND p.indisvalid AND (
                          (i.indisprimary AND p.indisprimary)
                          OR substr(pg_catalog.pg_get_indexdef(p.indexrelid), strpos(pg_catalog.pg_get_indexdef(p.indexrelid), ' USING ')) = substr(d.text, strpos(d.text, ' USING '))))
                  ORDER BY x.relname),
            pg_catalog.pg_get_userbyid(t.relowner)::text
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_class t ON t.oid = $2
        LEFT JOIN pg_catalog.pg_class s ON s.oid = t.reltoastrelid AND t.reltoastrelid <> 0
        LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
        WHERE c.oid = $1
        """;

    public required string Owner { get; init; }

    public required string Role { get; init; }

    public string? Tablespace { get; init; }

    /// <summary>As in <c>pg_class.relreplident</c>: d, n, f or i.</summary>
    public required string ReplicaIdentity { get; init; }

    /// <summary>The parent's index of its replica identity, quoted.</summary>
    public string? ReplicaIndex { get; init; }

    /// <summary>Actions of <c>ALTER TABLE</c> that set per-column statistics targets.</summary>
    public required IReadOnlyList<string> Statistics { get; init; }

    /// <summary>Statements with <c>%s</c> for the partition; empty when only the owner has rights.</summary>
    public required IReadOnlyList<string> Grants { get; init; }

    /// <summary>Who gets rights on new tables by default, quoted.</summary>
    public required IReadOnlyList<string> DefaultGrantees { get; init; }

    /// <summary>Columns that take values, quoted, generated ones left out.</summary>
    public required IReadOnlyList<string> Columns { get; init; }

    public bool IsUnlogged { get; init; }

    public required IReadOnlyList<string> StorageParameters { get; init; }

    /// <summary>Statements with <c>%s</c> for the partition, for the template's indexes and exclusion constraints that the parent does not have.</summary>
    public required IReadOnlyList<string> TemplateIndexes { get; init; }

    /// <summary>What the template gives to a partition that is attached.</summary>
    public IReadOnlyList<TemplateObject> TemplateObjects { get; init; } = [];

    /// <exception cref="PartitionSetConfigurationException">The template is missing, or belongs to somebody else.</exception>
    public static async Task<ParentShape> ReadAsync(PgSession session, QualifiedName table, uint oid, QualifiedName? template)
    {
        var templateOid = 0u;
        if (template is { } named)
        {
            templateOid = await session.ScalarAsync(
                "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r'",
                PgParameter.Text(named.Schema?.Value ?? "public"), PgParameter.Text(named.Name.Value)).ConfigureAwait(false) as uint?
                ?? throw new PartitionSetConfigurationException(table, $"The template '{named}' of '{table}' does not exist.", "Create it, or configure another.");
        }
        var (shape, owner) = (await session.RowsAsync(Look, Read, Oid(oid), Oid(templateOid)).ConfigureAwait(false)) is [var one, ..]
            ? one : throw new PartitionSetConfigurationException(table, $"'{table}' is gone.");
        // Its index expressions and triggers run with the rights of the partition's owner, or of whoever writes there.
        if (owner is not null && owner != shape.Owner && owner != shape.Role)
            throw new PartitionSetConfigurationException(table, $"The template '{template}' belongs to '{owner}', and '{table}' to '{shape.Owner}': its indexes may run anything.", "Give both the same owner.");
        return templateOid == 0 ? shape : shape with { TemplateObjects = await TemplateObject.OfAsync(session, templateOid, oid).ConfigureAwait(false) };

        static NpgsqlParameter Oid(uint value) => PgParameter.Of(value, NpgsqlTypes.NpgsqlDbType.Oid);
    }

    private static (ParentShape Shape, string? TemplateOwner) Read(NpgsqlDataReader row) => (new ParentShape
    {
        Owner = row.GetString(0),
        Role = row.GetString(1),
        Tablespace = row.Text(2),
        ReplicaIdentity = row.GetString(3),
        ReplicaIndex = row.Text(4),
        Statistics = row.GetFieldValue<string[]>(5),
        Grants = row.GetFieldValue<string[]>(6),
        DefaultGrantees = row.GetFieldValue<string[]>(7),
        Columns = row.GetFieldValue<string[]>(8),
        IsUnlogged = row.IsTrue(9),
        StorageParameters = row.GetFieldValue<string[]>(10),
        TemplateIndexes = row.GetFieldValue<string[]>(11),
    }, row.Text(12));
}
