using Microsoft.Extensions.Logging;

namespace OmniPg.Partman;

/// <summary>Adopts one table: looks, and does what was found.</summary>
internal sealed class AdoptingRun(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time, QualifiedName table, AdoptionOptions wish)
{
    public async Task<Adoption> PlanAsync(CancellationToken cancellationToken) => (await LookAsync(cancellationToken).ConfigureAwait(false)).Told;

    public async Task<Adoption> RunAsync(CancellationToken working)
    {
        var plan = await LookAsync(working).ConfigureAwait(false);
        await new UnitRunner(database, options, time).RunAsync(plan.State, plan.Unit, working).ConfigureAwait(false);
        database.Forget();
        PartmanLog.SetAdopted(logger, table.ToString(), plan.Told.Partitions.Count);
        var notes = plan.Told.Notes;
        try
        {
            if (plan.Told.Kind == AdoptedKind.Inheritance)
                await Analyzer.TableAsync(database, table, skipLocked: false, working).ConfigureAwait(false);
        }
        catch (PartmanException error)
        {
            // It is adopted already.
            notes = [.. notes, $"ANALYZE of '{table}' failed, and is still to be done: {error.Message}"];
        }
        var state = await SetReader.StateAsync(database, table, withBytes: false, working).ConfigureAwait(false);
        return plan.Told with { Notes = notes, Set = state.Set, Partitions = [.. state.Partitions, .. state.Default is { } rest ? [rest] : Array.Empty<Partition>()] };
    }

    private Task<Adopter.Plan> LookAsync(CancellationToken cancellationToken) => database.RunAsync("adopt", async (session, server) =>
    {
        if (server.IsReadOnly)
            throw Refusal.ReadOnly(server);
        await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
        return await new Adopter(session, server, table, wish, database.Archive?.Id).PlanAsync(options.LockTimeout).ConfigureAwait(false);
    }, cancellationToken);
}
