using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Shared;

/// <summary>Privileges on some objects of one schema.</summary>
/// <param name="Schema">The schema.</param>
/// <param name="Kind">What GRANT has to be told about the objects: nothing for tables, else <c>SEQUENCE </c> or <c>FUNCTION </c>.</param>
/// <param name="Rights">For example <c>INSERT</c> and <c>UPDATE</c>.</param>
/// <param name="Objects">Names inside the schema; functions with the types of their arguments, without spaces, as in <c>clear(interval,boolean)</c>.</param>
internal sealed record Privileges(PgIdentifier Schema, string Kind, IReadOnlyList<string> Rights, IReadOnlyList<string> Objects)
{
    // One row for each missing right, the schemas first: without them nothing inside is reachable. $1 the schemas; $2 to $4: schema, relation or
    // function, and right.
    private const string Missing =
        """
        SELECT 'USAGE' AS privilege, format('%I', n.nspname) AS object, 'SCHEMA ' AS kind, quote_ident(current_user) AS role, 1 AS rank
        FROM pg_catalog.pg_namespace n
        WHERE n.nspname = ANY ($1) AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        UNION ALL
        SELECT w.privilege, format('%I.%I', n.nspname, c.relname), CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, quote_ident(current_user),
            CASE c.relkind WHEN 'S' THEN 3 ELSE 2 END
        FROM unnest($2, $3, $4) AS w (schema, relname, privilege)
        JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.relname AND c.relkind IN ('r', 'p', 'S')
        WHERE NOT CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, w.privilege) ELSE pg_catalog.has_table_privilege(c.oid, w.privilege) END
        UNION ALL
        SELECT 'EXECUTE', format('%I.%s', n.nspname, w.relname), 'FUNCTION ', quote_ident(current_user), 4
        FROM unnest($2, $3) AS w (schema, relname)
        JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
        JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
            AND w.relname = p.proname || '(' || replace(pg_catalog.oidvectortypes(p.proargtypes), ', ', ',') || ')'
        WHERE NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
        ORDER BY rank, object, privilege
        """;

    /// <summary>What the role of the data source lacks, the schemas first; objects that do not exist are passed over.</summary>
    /// <param name="async">Whether to use asynchronous I/O.</param>
    /// <param name="dataSource">Gives a fresh connection: the one that was refused may be inside an aborted transaction.</param>
    /// <param name="schemas">Schemas that have to be usable.</param>
    /// <param name="wanted">Rights that have to be there.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>One entry for each missing right.</returns>
    public static async ValueTask<IReadOnlyList<MissingPrivilege>> MissingAsync(
        bool async, NpgsqlDataSource dataSource, IEnumerable<PgIdentifier> schemas, IEnumerable<Privileges> wanted, CancellationToken cancellationToken)
    {
        var rights = (from grant in wanted from name in grant.Objects from right in grant.Rights select (Schema: grant.Schema.Value, name, right)).ToArray();
        using var command = dataSource.CreateCommand(Missing);
        // Names are of type name, which text does not meet in an array.
        command.Parameters.Add(PgParameter.Of(schemas.Select(schema => schema.Value).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Name));
        command.Parameters.Add(PgParameter.Texts(rights.Select(r => r.Schema)));
        command.Parameters.Add(PgParameter.Texts(rights.Select(r => r.name)));
        command.Parameters.Add(PgParameter.Texts(rights.Select(r => r.right)));
        // Disposed synchronously in both worlds: the rows are read to their end by then.
        using var rows = async ? await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false) : command.ExecuteReader();
        var missing = new List<MissingPrivilege>();
        while (async ? await rows.ReadAsync(cancellationToken).ConfigureAwait(false) : rows.Read())
            missing.Add(new MissingPrivilege(rows.GetString(0), rows.GetString(1), rows.GetString(2), rows.GetString(3)));
        return missing;
    }

    /// <summary>Statements that give what is missing: one for all objects that lack the same, because somebody has to read them before they are run.</summary>
    public static string Grants(IEnumerable<MissingPrivilege> missing) => string.Join(' ',
        from right in missing
        group right.Right by (right.Kind, right.Object, right.Role) into one
        group one.Key.Object by (one.Key.Kind, one.Key.Role, Rights: string.Join(", ", one)) into alike
        select $"GRANT {alike.Key.Rights} ON {alike.Key.Kind}{string.Join(", ", alike)} TO {alike.Key.Role};");

    /// <summary>A script that gives a role all of it, a statement a line.</summary>
    /// <param name="role">The role.</param>
    /// <param name="schemas">Schemas that the role may use.</param>
    /// <param name="given">What it gets inside of them.</param>
    public static string Script(PgIdentifier role, IEnumerable<PgIdentifier> schemas, IEnumerable<Privileges> given)
    {
        var script = new StringBuilder($"GRANT USAGE ON SCHEMA {string.Join(", ", schemas.Select(schema => schema.Quoted))} TO {role.Quoted};\n");
        foreach (var grant in given)
        {
            script.Append("GRANT ").AppendJoin(", ", grant.Rights).Append(" ON ").Append(grant.Kind)
                .AppendJoin(", ", grant.Objects.Select(name => $"{grant.Schema.Quoted}.{name}")).Append(" TO ").Append(role.Quoted).Append(";\n");
        }
        return script.ToString();
    }
}

/// <summary>A right that a role lacks; names are quoted where they need it.</summary>
/// <param name="Right">For example <c>INSERT</c>.</param>
/// <param name="Object">Schema, or object with its schema.</param>
/// <param name="Kind">As in <see cref="Privileges.Kind"/>; <c>SCHEMA </c> for a schema.</param>
/// <param name="Role">The role.</param>
internal sealed record MissingPrivilege(string Right, string Object, string Kind, string Role);
