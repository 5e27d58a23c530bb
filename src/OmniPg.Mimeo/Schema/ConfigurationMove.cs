namespace OmniPg.Mimeo;

/// <summary>Moves sources and tables between the tables of the extension and equal ones of the package's own, in one transaction: two that hold the same place would both go on from it.</summary>
/// <remarks>Queues, triggers and the tables themselves stay: <c>control</c> names the queue. Own tables, where there are any, count; those of the extension do where there are none.</remarks>
internal static class ConfigurationMove
{
    // What refers to others comes last.
    private static readonly string[] Leaves = [.. SpecTable.Types.Where(t => t != "logical").Select(t => "refresh_config_" + t)];

    /// <summary>From the extension to tables of the package's own.</summary>
    public static async Task<MoveResult> ImportAsync(PgSession session, MimeoStore store, Func<Task> install)
    {
        if (!store.IsExtension)
            throw new ReplicationConflictException("The configuration does not stand in tables of the extension mimeo.", "List what is managed here.");
        await install().ConfigureAwait(false);
        return await MoveAsync(session, store.Schema, store.SideSchema, toExtension: false).ConfigureAwait(false);
    }

    /// <summary>From the package's own tables, which go, to the extension.</summary>
    public static async Task<MoveResult> ExportAsync(PgSession session, MimeoStore store)
    {
        if (store.IsExtension || await session.ScalarAsync(MimeoDatabase.ExtensionSchema).ConfigureAwait(false) is not string extension)
            throw new ReplicationConflictException(store.IsExtension ? "The configuration stands in tables of the extension already." : "The extension mimeo is not installed here.", "CREATE EXTENSION mimeo, then try again.");
        var target = PgIdentifier.Create(extension);
        // Its boundary is a smaller number.
        foreach (var type in (string[])["inserter_serial", "updater_serial"])
        {
            if (await session.ScalarAsync($"SELECT min(dest_table) FROM {store.Of("refresh_config_" + type)} WHERE boundary > 2147483647").ConfigureAwait(false) is string table)
                throw new ReplicationConflictException($"The boundary of '{table}' is larger than the extension can hold.", "Drop the table from the configuration and create it anew with a smaller one.");
        }
        foreach (var spec in await SpecTable.ReadAsync(session, store, null).ConfigureAwait(false))
        {
            if (SpecTable.BeyondExtension(spec) is { } beyond)
                throw new ReplicationConflictException($"'{spec.Target}' would be refreshed by the extension, which {beyond}.", "Take the option away from the table, which leaves a history where it is, or drop the table from the configuration.");
        }
        var moved = await MoveAsync(session, store.Schema, target, toExtension: true).ConfigureAwait(false);
        foreach (var table in (string[])[.. Leaves, "refresh_config_inserter", "refresh_config_updater", "refresh_config", "dblink_mapping_mimeo"])
            await session.ExecuteAsync($"DROP TABLE {store.Of(table)}").ConfigureAwait(false);
        return moved;
    }

    private static async Task<MoveResult> MoveAsync(PgSession session, PgIdentifier from, PgIdentifier to, bool toExtension)
    {
        foreach (var schema in (PgIdentifier[])[from, to])
            await session.ExecuteAsync($"LOCK TABLE {schema.Quoted}.refresh_config, {schema.Quoted}.dblink_mapping_mimeo IN ACCESS EXCLUSIVE MODE").ConfigureAwait(false);
        if (await session.ScalarAsync($"SELECT EXISTS (SELECT FROM {to.Quoted}.refresh_config) OR EXISTS (SELECT FROM {to.Quoted}.dblink_mapping_mimeo)").ConfigureAwait(false) is true)
            throw new ReplicationConflictException($"The tables in schema '{to}' hold sources or tables already.", "Remove them there first.");
        // A refresh that has read its place already would write it where nobody looks any more.
        var tables = await session.RowsAsync($"SELECT dest_table FROM {from.Quoted}.refresh_config ORDER BY 1", row => SpecTable.Name(row.GetString(0))).ConfigureAwait(false);
        foreach (var table in tables)
        {
            if (!await SpecTable.TryLockAsync(session, SpecTable.Text(table), TimeSpan.Zero).ConfigureAwait(false))
                throw new MimeoLockException(table, "move its configuration, for a refresh of it is running", null);
        }
        var sources = 0;
        foreach (var name in (string[])["dblink_mapping_mimeo", .. Leaves])
        {
            var columns = (string)(await session.ScalarAsync("SELECT string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
                PgParameter.Text($"{from.Quoted}.{name}")).ConfigureAwait(false))!;
            var moved = await session.ExecuteAsync($"INSERT INTO {to.Quoted}.{name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {from.Quoted}.{name}").ConfigureAwait(false);
            sources = name == "dblink_mapping_mimeo" ? moved : sources;
        }
        // Its functions fail where they are to log to the extension pg_jobmon and there is none.
        if (toExtension)
            await session.ExecuteAsync($"UPDATE {to.Quoted}.refresh_config SET jobmon = false WHERE jobmon AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_jobmon')").ConfigureAwait(false);
        foreach (var name in (string[])[.. Leaves, "dblink_mapping_mimeo"])
            await session.ExecuteAsync($"DELETE FROM {from.Quoted}.{name}").ConfigureAwait(false);
        var sequence = toExtension ? $"{PgLiteral.Quote($"{to.Quoted}.dblink_mapping_mimeo_data_source_id_seq")}::regclass" : $"pg_catalog.pg_get_serial_sequence({PgLiteral.Quote($"{to.Quoted}.dblink_mapping_mimeo")}, 'data_source_id')::regclass";
        await session.ExecuteAsync($"SELECT pg_catalog.setval({sequence}, max(data_source_id)) FROM {to.Quoted}.dblink_mapping_mimeo").ConfigureAwait(false);
        return new MoveResult(sources, tables);
    }
}
