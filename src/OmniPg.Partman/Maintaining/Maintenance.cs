using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Jobmon;

namespace OmniPg.Partman;

/// <summary>Plans and runs maintenance: sets are looked at many at a time, and each that needs something is locked, looked at again and changed by itself.</summary>
internal sealed class Maintenance(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time, IJobmon? jobmon, Converter converter)
{
    private const int SetsAtOnce = 100;
    // Of the longest pause that the options allow, between two looks.
    private const int PausesInBackoff = 10;
    private const string StandbyQuestion = "SELECT pg_catalog.pg_is_in_recovery()";

    private readonly UnitRunner _runner = new(database, options, time);

    /// <summary>A configured set with what is to be done with it; without a plan there is an error.</summary>
    private sealed record Look(SetReader.Configured Configured, SetPlan? Plan, PartmanException? Error);

    public async Task<MaintenancePlan> PlanAsync(MaintenanceOptions wishes, CancellationToken cancellationToken)
    {
        var looks = await LookAsync((await ConfiguredAsync(wishes, cancellationToken).ConfigureAwait(false)).Sets(), wishes, cancellationToken).ConfigureAwait(false);
        return new MaintenancePlan(
            SqlPlanOf(looks),
            [.. looks.Select(l => new PlannedSet(l.Configured.Name, Changes(l.Plan?.Units ?? []), l.Plan?.Skipped ?? [], l.Error ?? l.Plan?.Error)
            {
                Partitions = l.Plan is { } plan ? Listed(plan.State, Changes(plan.Units)).Select(p => p with { TotalBytes = p.TableBytes }).ToList() : [],
            })])
        { Options = wishes };
    }

    /// <summary>Runs what is due now, or exactly what a plan says.</summary>
    public async Task<MaintenanceResult> RunAsync(MaintenanceOptions wishes, MaintenancePlan? agreed, IProgress<PartitionChange>? progress, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        using var activity = PartmanTelemetry.Source.StartActivity("partman.maintenance");
        var standby = new MaintenanceResult([new SetResult("", [], [new PartitionSkipped(SkipReason.Standby, $"'{database.Name}' is a standby.")], null, TimeSpan.Zero)]);
        // A standby need not have what is looked for in a database first.
        if (database.Known is null && await IsStandbyAsync(cancellationToken).ConfigureAwait(false))
            return standby;
        var (isStandby, isLate, sets) = await ConfiguredAsync(wishes, cancellationToken).ConfigureAwait(false);
        if (isStandby)
            return standby;
        // Before the looks, because it alters tables; and before the lock of the extension, which it takes itself: a run that holds it would always find it taken.
        if (isLate)
            await LetGoAsync(cancellationToken).ConfigureAwait(false);
        var looks = await LookAsync(sets(), wishes, cancellationToken).ConfigureAwait(false);
        if (agreed is not null)
        {
            var now = SqlPlanOf(looks);
            if (now.Fingerprint != agreed.Sql.Fingerprint)
                throw new StalePlanException(wishes.Table, agreed.Sql.Fingerprint[..12], now.Fingerprint[..12]);
        }
        var results = new List<SetResult>();
        var extension = looks.Any(l => l.Plan?.Units.Count > 0) ? await RunLock.OfExtensionAsync(database, time, cancellationToken).ConfigureAwait(false) : RunLock.None;
        await using (extension.ConfigureAwait(false))
        {
            var log = await RunLog.StartAsync(looks.Count == 0 ? null : jobmon, logger, "PARTMAN RUN MAINTENANCE", cancellationToken).ConfigureAwait(false);
            await using (log.ConfigureAwait(false))
            {
                foreach (var look in looks)
                    results.Add(await SetAsync(look, wishes, agreed is not null, progress, log, extension, cancellationToken).ConfigureAwait(false));
                await log.EndAsync(results.Find(r => r.Error is not null)?.Error).ConfigureAwait(false);
            }
            await NoteAsync(results, cancellationToken).ConfigureAwait(false);
        }
        PartmanTelemetry.MaintenanceDuration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
        return new MaintenanceResult(results);
    }

    // What was left alone beside the sets keeps none of them from its maintenance.
    private async Task LetGoAsync(CancellationToken cancellationToken)
    {
        foreach (var letGo in new Func<CancellationToken, Task>[] { converter.LetGoAsync, c => AutovacuumPause.LetGoAsync(database, options, logger, time, c) })
        {
            try
            {
                await letGo(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (error is PartmanException or NpgsqlException)
            {
                PartmanLog.NotLetGo(logger, error);
            }
        }
    }

    private async Task<SetResult> SetAsync(Look look, MaintenanceOptions wishes, bool isAgreed, IProgress<PartitionChange>? progress, RunLog log, RunLock extension, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var name = look.Configured.Name;
        var done = new List<PartitionChange>();
        var skipped = look.Plan?.Skipped ?? [];
        Exception? error = look.Error ?? look.Plan?.Error;
        var step = look is { Error: null, Plan: { Units.Count: 0, Error: null } } ? null : await log.StepAsync($"Maintaining {name}").ConfigureAwait(false);
        try
        {
            // What looks wrong is looked at again as well: the look was not one snapshot, and another run may have been at work.
            if (look.Plan is { } first && (first.Units.Count > 0 || first.Error is not null))
            {
                var held = await RunLock.OfSetAsync(database, name, first.State.Table, extension, time, cancellationToken).ConfigureAwait(false);
                await using var releasing = held.ConfigureAwait(false);
                await held.WorkAsync(first.State.Table, async working =>
                {
                    // Another run may have been faster: what counts is what is there now that nobody else may change it.
                    // A branch may have gone with the partition that it was.
                    if (await AgainAsync(look.Configured, wishes, working).ConfigureAwait(false) is not { } plan)
                    {
                        (skipped, error) = ([], null);
                        return false;
                    }
                    if (isAgreed && Fingerprint(plan) != Fingerprint(first))
                        throw new StalePlanException(first.State.Table, Fingerprint(first), Fingerprint(plan));
                    (skipped, error) = (plan.Skipped, plan.Error);
                    error = await UnitsAsync(plan, done, progress, working).ConfigureAwait(false) ?? error;
                    if (wishes.Analyze && done.Exists(c => c.Fate == PartitionFate.Create))
                        await Analyzer.TableAsync(database, plan.State.Table, skipLocked: false, working).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is PartmanException or NpgsqlException)
        {
            error = failure;
        }
        await log.EndStepAsync(step, error, $"{done.Count} partitions changed").ConfigureAwait(false);
        if (error is not null)
            PartmanLog.SetFailed(logger, name, error);
        return new SetResult(name, done, skipped, error, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>Executes units; one that fails takes along what depends on it, the partitions beside it go on. Returns the first failure.</summary>
    private async Task<PartmanException?> UnitsAsync(SetPlan plan, List<PartitionChange> done, IProgress<PartitionChange>? progress, CancellationToken cancellationToken)
    {
        PartmanException? failure = null;
        var prepared = true;
        foreach (var unit in plan.Units)
        {
            // What a preparation was for starts with the next unit that is none, and ends with the next preparation that begins something new.
            if (!prepared && (unit.Continues || !unit.IsPreparation))
                continue;
            prepared = true;
            try
            {
                var started = Stopwatch.GetTimestamp();
                if (unit.Archives is not null)
                    await new PartitionArchiver(database, options, database.Archive!).RunAsync(plan.State, unit, cancellationToken).ConfigureAwait(false);
                else
                    await _runner.RunAsync(plan.State, unit, cancellationToken).ConfigureAwait(false);
                PartmanLog.Ran(logger, unit.Kind, plan.State.Table.ToString(), unit.Child?.ToString() ?? "", Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                foreach (var change in Changes([unit]))
                {
                    done.Add(change);
                    progress?.Report(change);
                    if (change.Fate == PartitionFate.Create)
                        PartmanTelemetry.Created.Add(1);
                    else
                        PartmanTelemetry.Retired.Add(1, new KeyValuePair<string, object?>("omnipg.partman.fate", PartmanTelemetry.Of(change.Fate)));
                }
            }
            catch (PartmanException error)
            {
                failure ??= error;
                prepared = !unit.IsPreparation;
            }
        }
        return failure;
    }

    private Task<bool> IsStandbyAsync(CancellationToken cancellationToken) =>
        database.GuardAsync("look", async () =>
        {
            var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using var closing = connection.ConfigureAwait(false);
            return await database.On(connection, cancellationToken).ScalarAsync(StandbyQuestion).ConfigureAwait(false) is true;
        }, () => database.Known, cancellationToken);

    /// <summary>
    /// Whether the server is a standby, whether a run that was killed left tables that are to be let go, which costs no question of its own, and the sets to look at: a
    /// function, because on a standby a refusal of them is nobody's concern.
    /// </summary>
    private Task<(bool IsStandby, bool IsLate, Func<IReadOnlyList<SetReader.Configured>> Sets)> ConfiguredAsync(MaintenanceOptions wishes, CancellationToken cancellationToken) =>
        database.RunEachAsync("maintain", async (session, server) =>
        {
            using var questions = new Questions(session);
            questions.Begin();
            var isStandby = questions.Ask(StandbyQuestion, row => row.GetBoolean(0));
            IReadOnlyList<bool> isLate = !server.HasOwn ? [] : questions.Ask(
                $"SELECT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o WHERE ({ConversionState.MayBeLate}) OR {AutovacuumPause.IsLeft})", row => row.GetBoolean(0));
            var all = SetReader.AskConfigured(questions, server, wishes.Table);
            questions.Commit();
            await questions.SendAsync().ConfigureAwait(false);
            return (isStandby[0], isLate is [true], (Func<IReadOnlyList<SetReader.Configured>>)(() => Chosen(all, server, wishes)));
        }, cancellationToken);

    private async Task<IReadOnlyList<Look>> LookAsync(IReadOnlyList<SetReader.Configured> configured, MaintenanceOptions wishes, CancellationToken cancellationToken, bool isLast = false)
    {
        var looks = new List<Look>();
        foreach (var some in configured.Chunk(SetsAtOnce))
        {
            try
            {
                looks.AddRange(await LookAtAsync(some, wishes, isLast, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception error) when (error is PartmanException or NpgsqlException or OverflowException or ArgumentOutOfRangeException && some.Length > 1)
            {
                // One of them broke the statement for all.
                foreach (var one in some)
                    looks.AddRange(await LookAtAsync([one], wishes, isLast, cancellationToken).ConfigureAwait(false));
            }
        }
        return Ordered(looks);
    }

    // Rows keep those that they refer to: where nobody wants another order, the set of the former retires first.
    private static List<Look> Ordered(List<Look> looks)
    {
        var (places, ordered, seen) = (new Dictionary<QualifiedName, int>(), new List<Look>(looks.Count), new bool[looks.Count]);
        foreach (var (place, look) in looks.Index())
        {
            if (look.Plan is { } plan)
                places[plan.State.Table] = place;
        }
        for (var i = 0; i < looks.Count; i++)
            Add(i);
        return ordered;

        void Add(int place)
        {
            if (seen[place])
                return;
            seen[place] = true;
            foreach (var referring in looks[place].Plan?.State.ReferencedBy ?? [])
            {
                if (places.TryGetValue(referring, out var first) && looks[first].Configured.Set!.MaintenanceOrder == looks[place].Configured.Set!.MaintenanceOrder)
                    Add(first);
            }
            ordered.Add(looks[place]);
        }
    }

    private async Task<IReadOnlyList<Look>> LookAtAsync(SetReader.Configured[] some, MaintenanceOptions wishes, bool isLast, CancellationToken cancellationToken, int attempt = 1)
    {
        try
        {
            return await database.RunEachAsync("maintain", async (session, server) =>
            {
                var sound = some.Where(s => s.Error is null).ToList();
                using var questions = new Questions(session);
                questions.Begin();
                // One that waits for a partition whose drop is not committed yet holds others that are to be dropped next.
                questions.Ask(PartmanDatabase.BeforeDeadlocks, row => row.GetString(0));
                var states = SetReader.AskStates(questions, sound, waits: isLast);
                var notes = Retirement.AskUnfinished(questions, server, sound.Select(s => s.Set!.ConfigKey));
                await questions.SendAsync().ConfigureAwait(false);
                var unfinished = notes.ToLookup(n => n.Set);
                var looks = some.Where(s => s.Error is not null).Select(s => new Look(s, null, s.Error)).ToList();
                foreach (var (set, state) in sound.Zip(states()))
                    looks.Add(new Look(set, await SetPlanner.PlanAsync(session, server, options, wishes, database.Archive?.Id, state, [.. unfinished[state.Set.ConfigKey]]).ConfigureAwait(false), null));
                await session.ExecuteAsync(SessionSettings.Commit).ConfigureAwait(false);
                return (IReadOnlyList<Look>)[.. some.Select(s => looks.Find(l => l.Configured == s)!)];
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (PartmanServerException error) when (some.Length == 1 && attempt < options.LockAttempts && (error.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.LockNotAvailable))
        {
            // A look takes no lock that would keep others out: the extension's own runner, or anybody, may be dropping a partition, or have dropped it between two of its statements.
            await Task.Delay(options.MaxBackoff / PausesInBackoff, time, cancellationToken).ConfigureAwait(false);
            return await LookAtAsync(some, wishes, isLast, cancellationToken, attempt + 1).ConfigureAwait(false);
        }
        catch (PartmanException error) when (some.Length == 1)
        {
            return [new Look(some[0], null, error)];
        }
        catch (Exception error) when (error is OverflowException or ArgumentOutOfRangeException && some.Length == 1)
        {
            return [new Look(some[0], null, new PartitionSetConfigurationException(some[0].Set?.Table, $"The bounds of '{some[0].Name}' cannot be counted: {error.Message}", null, error))];
        }
    }

    private async Task<SetPlan?> AgainAsync(SetReader.Configured set, MaintenanceOptions wishes, CancellationToken cancellationToken)
    {
        var fresh = await database.RunAsync("maintain", (session, server) => SetReader.ConfiguredAsync(session, server, set.Set!.Table), cancellationToken).ConfigureAwait(false);
        if (fresh is not [var one, ..])
            return null;
        var look = (await LookAsync([one], wishes, cancellationToken, isLast: true).ConfigureAwait(false))[0];
        return look.Plan ?? throw look.Error!;
    }

    private static IReadOnlyList<SetReader.Configured> Chosen(IReadOnlyList<SetReader.Configured> all, PartmanServer server, MaintenanceOptions wishes)
    {
        if (server.IsReadOnly)
            throw Refusal.ReadOnly(server);
        if (wishes.Table is { } table)
            return all.Count > 0 ? all : throw Refusal.NotFound(table, server);
        return [.. all.Where(s => s.Set is not { AutomaticMaintenance: false })];
    }

    private Task<bool> NoteAsync(List<SetResult> results, CancellationToken cancellationToken) => database.RunEachAsync("note the run", async (session, server) =>
    {
        // A jump of the clock is measured from the last run until somebody confirms it: the run that it stopped leaves no trace.
        var failed = PgParameter.Texts(results.Where(r => r.Error is not null and not PartmanBusyException and not ClockJumpException).Select(r => r.Table));
        using var questions = new Questions(session);
        questions.BeginWriting();
        if (server.Columns.Contains("maintenance_last_run"))
        {
            questions.Tell(
                $"UPDATE {server.ConfigSchema.Quoted}.part_config SET maintenance_last_run = CASE WHEN parent_table = ANY ($1) THEN pg_catalog.now() END WHERE parent_table = ANY ($1) OR parent_table = ANY ($2)",
                PgParameter.Texts(results.Where(r => r.Error is null).Select(r => r.Table)), failed.Clone());
        }
        if (server.HasOwn)
        {
            questions.Tell(
                $"INSERT INTO {server.OwnSchema.Quoted}.part_option (parent_table, key, value) SELECT DISTINCT t.t, '{SetRow.LastFailureKey}', pg_catalog.to_jsonb(pg_catalog.now()) FROM unnest($1) AS t (t) ON CONFLICT (parent_table, key) DO UPDATE SET value = EXCLUDED.value",
                failed);
        }
        questions.Commit();
        await questions.SendAsync().ConfigureAwait(false);
        return true;
    }, cancellationToken);

    private SqlPlan SqlPlanOf(IEnumerable<Look> looks) => new(looks.Select(l => l.Plan).OfType<SetPlan>().SelectMany(Steps));

    private IEnumerable<SqlPlanStep> Steps(SetPlan plan) => plan.Units.Select(u => u.ToStep(plan.State, options.LockTimeout));

    private string Fingerprint(SetPlan plan) => new SqlPlan(Steps(plan)).Fingerprint[..12];

    /// <summary>The partitions of a set with what becomes of them, by their bounds, the default last.</summary>
    public static IReadOnlyList<Partition> Listed(SetState state, IReadOnlyList<PartitionChange> changes)
    {
        var fates = changes.Where(c => c.Fate != PartitionFate.Create).GroupBy(c => c.Partition).ToDictionary(g => g.Key, g => g.First().Fate);
        var partitions = state.Partitions.Select(p => p with { Fate = fates.GetValueOrDefault(p.Name, PartitionFate.Keep) })
            .Concat(changes.Where(c => c.Fate == PartitionFate.Create).Select(c => new Partition(c.Partition, c.Lower, c.Upper) { Fate = PartitionFate.Create }));
        return [.. partitions.OrderBy(p => p.Lower), .. state.Default is { } rest ? [rest] : Array.Empty<Partition>()];
    }

    private static IReadOnlyList<PartitionChange> Changes(IEnumerable<PlanUnit> units) =>
        [.. units.Where(u => u.Fate != PartitionFate.Keep && u.Child is not null).Select(u => new PartitionChange(u.Child!.Value, u.Lower, u.Upper, u.Fate))];
}
