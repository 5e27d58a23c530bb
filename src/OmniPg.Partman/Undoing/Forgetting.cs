namespace OmniPg.Partman;

/// <summary>Takes the configuration of sets away, with all that runs have noted of them.</summary>
internal static class Forgetting
{
    /// <summary>Forgets a set, and the sets that its partitions are, whose table need not exist any more; returns whether there was something to forget.</summary>
    public static async Task<bool> RunAsync(PgSession session, PartmanServer server, QualifiedName table, TimeSpan lockTimeout)
    {
        if (server.IsReadOnly)
            throw Refusal.ReadOnly(server);
        if (!server.HasConfig)
            return false;
        // A branch that went on by itself would be maintained on and on.
        var branches = await SetReader.BranchesAsync(session, server, table).ConfigureAwait(false);
        await RunLock.AlsoAsync(session, branches).ConfigureAwait(false);
        foreach (var one in branches)
            await ForgetOneAsync(session, server, one, lockTimeout).ConfigureAwait(false);
        return await ForgetOneAsync(session, server, table, lockTimeout).ConfigureAwait(false) || branches.Count > 0;
    }

    private static async Task<bool> ForgetOneAsync(PgSession session, PartmanServer server, QualifiedName table, TimeSpan lockTimeout)
    {
        var key = PgParameter.Text($"{table.Schema!.Value.Value}.{table.Name.Value}");
        if (server.HasOwn)
        {
            await RegroupLeftovers.RefuseAsync(session, server, table).ConfigureAwait(false);
            await Retirement.ForgetAllAsync(session, server, table, lockTimeout).ConfigureAwait(false);
        }
        var rows = await session.ExecuteAsync($"DELETE FROM {server.ConfigSchema.Quoted}.part_config WHERE parent_table = $1", key).ConfigureAwait(false);
        if (server.HasOwn)
        {
            await session.ExecuteAsync($"DELETE FROM {server.OwnSchema.Quoted}.part_option WHERE parent_table = $1", key.Clone()).ConfigureAwait(false);
            await session.ExecuteAsync($"DELETE FROM {server.OwnSchema.Quoted}.operation WHERE parent_table = $1 AND kind IN ('{OperationKind.Undo}', '{OperationKind.Repartitioning}')", key.Clone()).ConfigureAwait(false);
        }
        return rows > 0;
    }
}
