namespace OmniPg.Partman;

/// <summary>Makes one table of a conversion equal to the other while that is written to, and swaps them: there, or the way back.</summary>
internal sealed class CopyRun(ConversionTables tables, PartmanDatabase database, TimeProvider time, ConversionTables.Pair pair, IProgress<ConversionProgress>? progress)
{
    private const int NotesAtOnce = 5000;
    private const int MostNotesAtOnce = 1_000_000;
    private const int ComparedAtOnce = 250_000;
    private const int UsualSessions = 4;

    // Of the pool: up to three that hold the locks of the run, one that looks, and one for others.
    private const int ConnectionsBeside = 5;
    private const int MostRounds = 1000;
    private const int MostCollisions = 20;

    public async Task ToSwapAsync(bool isForward, CancellationToken working)
    {
        var (from, to) = isForward ? (pair.Plain, pair.Parted) : (pair.Parted, pair.Plain);
        var sync = Sync(pair, isForward);
        for (var round = 0; ; round++)
        {
            await CopyAsync(sync, working).ConfigureAwait(false);
            if (isForward && !await IndexAsync(sync, working).ConfigureAwait(false))
                continue;
            if (await ProvedAsync(sync, to, isForward, working).ConfigureAwait(false) is not { } files)
                continue;
            progress?.Report(new ConversionProgress(pair.State.Id, ConversionStep.Swap, 0, pair.State.Detail.EstimatedRows));
            for (; round < MostRounds; round++)
            {
                try
                {
                    var shape = await tables.InSessionAsync("swap", (session, _) => ParentShape.ReadAsync(session, from.Name, from.Oid, null), working).ConfigureAwait(false);
                    var live = (await tables.LoadAsync(pair.State.Id, working).ConfigureAwait(false))!;
                    if (isForward && live.Plain.Digest != pair.State.Detail.Digest)
                        throw new StalePlanException(pair.State.Table, "swap", $"another one: '{pair.State.Table}' was altered since the conversion began, in its columns, indexes, triggers or rights, or in what depends on it");
                    if (!isForward && live.Parted.AllColumns.Except(live.Plain.AllColumns, StringComparer.Ordinal).ToArray() is { Length: > 0 } more)
                        throw new PartmanConversionException(pair.State.Table, $"'{pair.State.Table}' has columns that '{live.Plain.Name}' does not have: {string.Join(", ", more)}.", $"Add them to '{live.Plain.Name}' as well, or finish the conversion.");
                    IReadOnlyList<QualifiedName> carriers = isForward ? [.. live.Set.Partitions.Select(p => p.Name), .. live.Set.Default is { } rest ? [rest.Name] : Array.Empty<QualifiedName>()] : [live.Plain.Name];
                    await tables.RunAsync(live.On(isForward ? live.Plain : live.Parted), server => Swap(server, live, shape, carriers, isForward, files), working).ConfigureAwait(false);
                    return;
                }
                catch (PartmanServerException error) when (error.SqlState == RowSync.Outdated)
                {
                    break;
                }
                catch (PartmanServerException error) when (error.SqlState == RowSync.TooEarly)
                {
                    if (!await CatchUpAsync(sync, RowSync.NotesUnderLock / 2, working).ConfigureAwait(false))
                        break;
                }
            }
            if (round >= MostRounds)
                throw new PartmanConversionException(pair.State.Table, $"Writers of '{pair.State.Table}' were faster than the copy in {MostRounds} rounds.", "Resume it when less is written.");
        }
    }

    /// <summary>Compares both tables. Null where a TRUNCATE came in between, and the copy begins anew.</summary>
    private async Task<Files?> ProvedAsync(RowSync sync, LiveTable to, bool isForward, CancellationToken working)
    {
        if (!await CatchUpAsync(sync, 0, working).ConfigureAwait(false))
            return null;
        var files = await tables.InSessionAsync("compare", async (session, _) => new Files((await FilesAsync(session, pair.Plain).ConfigureAwait(false))!, (await FilesAsync(session, pair.Parted).ConfigureAwait(false))!), working).ConfigureAwait(false);
        if (!await CompareAsync(sync, to, isForward, working).ConfigureAwait(false))
            return null;
        return await CatchUpAsync(sync, RowSync.NotesUnderLock / 2, working).ConfigureAwait(false) ? files : null;
    }

    /// <summary>Where the rows of both tables lay when they were compared.</summary>
    internal sealed record Files(string Plain, string Parted);

    private static async Task<string?> FilesAsync(PgSession session, LiveTable table) => await session.ScalarAsync(LiveTable.FilesOf(table.Oid)).ConfigureAwait(false) as string;

    /// <summary>The unit behind which the other table is the one in use.</summary>
    /// <param name="server">The database.</param>
    /// <param name="pair">Both tables.</param>
    /// <param name="shape">What the live one is beyond its columns.</param>
    /// <param name="carriers">Tables that take its foreign keys.</param>
    /// <param name="isForward">Whether the set becomes the table in use.</param>
    /// <param name="files">What was compared; null in a plan.</param>
    public static PlanUnit Swap(PartmanServer server, ConversionTables.Pair pair, ParentShape shape, IReadOnlyList<QualifiedName> carriers, bool isForward, Files? files)
    {
        var (live, other) = isForward ? (pair.Plain, pair.Parted) : (pair.Parted, pair.Plain);
        var table = pair.State.Table;
        // As the exchange names it.
        var beside = isForward ? other.Name : new QualifiedName(table.Schema, Replacement.Named(table.Name.Value, ConversionNames.NewEnd));
        var fallback = pair.Set.Default?.Name;
        return new PlanUnit
        {
            Kind = isForward ? "swap" : "swap-back",
            Child = other.Name,
            ChildOid = pair.State.Id == 0 ? 0 : other.Oid,
            Reason = $"'{other.Name}' becomes '{table}', with what was written last; the former one is kept.",
            Statements =
            [
                .. Replacement.Lock(live, other),
                PartmanDatabase.AllRows,
                .. Replacement.Unchanged(live),
                KeyLog.Watched(live),
                .. files is { } compared ? [RowSync.Still(pair.Plain.Name, pair.Plain.Oid, compared.Plain), RowSync.Still(pair.Parted.Name, pair.Parted.Oid, compared.Parted)] : Array.Empty<string>(),
                .. Replacement.Sequences(live, other, isForward ? ConversionNames.OldEnd : ConversionNames.NewEnd),
                .. Sync(pair, isForward).Finish(),
                .. isForward && !pair.State.Detail.KeepDefault && fallback is { } rest ? WithoutDefault(rest) : [],
                .. KeyLog.Unwatch(live.Name),
                .. Replacement.Exchange(live, other, isForward ? (ConversionNames.OldEnd, ConversionNames.NewEnd) : (ConversionNames.NewEnd, ConversionNames.OldEnd), carriers),
                .. isForward ? Replacement.Rights(live, shape) : Replacement.Hidden([.. pair.Set.Partitions, .. pair.Set.Default is { } last ? [last] : Array.Empty<Partition>()]),
                .. isForward && pair.State.Detail.KeepWayBack ? pair.Log.Watch(table) : [],
                .. Replacement.Configuration(server, isForward ? beside : table, isForward ? table : beside, isForward && pair.State.Detail.Automatic),
                pair.State.Move(server, isForward ? ConversionPhase.Swapped : ConversionPhase.SwappedBack, ", detail = detail || '{\"isValidated\": false}'"),
            ],
            Locks = [new SqlPlanLock(table, PgLockMode.AccessExclusive), .. live.ForeignKeys.Select(k => new SqlPlanLock(k.Referenced, PgLockMode.ShareRowExclusive))],
            Holds = pair.State.Id == 0 ? null : pair.State.IsStill(server),
        };
    }

    private static RowSync Sync(ConversionTables.Pair pair, bool isForward) => isForward
        ? new RowSync(pair.Plain.Name, pair.Parted.Name, pair.Log, pair.Plain.Columns, pair.Plain.AllColumns, pair.Plain.TextColumns)
        : new RowSync(pair.Parted.Name, pair.Plain.Name, pair.Log, pair.Plain.Columns, pair.Plain.AllColumns, pair.Plain.TextColumns);

    // A set without one was asked for: rows that no partition takes are refused there, so the table must have none.
    private static IEnumerable<string> WithoutDefault(QualifiedName fallback) =>
    [
        $"DO {PgLiteral.Quote($"BEGIN IF EXISTS (SELECT FROM {fallback.Quoted}) THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Different}', MESSAGE = {PgLiteral.Quote($"'{fallback}' holds rows that no partition takes, and the set is to have no default partition")}; END IF; END")}",
        $"DROP TABLE {fallback.Quoted}",
    ];

    private async Task CopyAsync(RowSync sync, CancellationToken working)
    {
        var (sessions, pace) = (await SessionsAsync(working).ConfigureAwait(false), new CopyPace(pair.State.Detail.BatchSize));
        // A backend whose client was killed may still be at a slice. Until it is at its end nobody knows what of the wave is copied.
        var operations = await tables.InSessionAsync("copy", (session, server) => session.ScalarAsync(
            "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", PgParameter.Text($"{server.OwnSchema.Quoted}.operation")), working).ConfigureAwait(false) as uint? ?? 0;
        await tables.RunAsync(SetState.OfTable(pair.State.Table, 0, pair.State.Detail.Control), server => pair.State.Alone(server, operations), working).ConfigureAwait(false);
        for (var collisions = 0; await NextWaveAsync(sync, pace.Rows, sessions, working).ConfigureAwait(false) is { } wave;)
        {
            var (rows, collision) = await WaveAsync(sync, wave, collisions > 0 ? 1 : sessions, pace, working).ConfigureAwait(false);
            if (collision is not null)
            {
                if (++collisions >= MostCollisions)
                    throw collision;
                // A row has taken the unique value of another, whose change is still in the log.
                await CatchUpAsync(sync, 0, working).ConfigureAwait(false);
                continue;
            }
            collisions = 0;
            progress?.Report(new ConversionProgress(pair.State.Id, ConversionStep.Copy, wave.Rows + rows, wave.EstimatedRows));
            if (wave.Pause > TimeSpan.Zero)
                await Task.Delay(wave.Pause, time, working).ConfigureAwait(false);
            await CatchUpAsync(sync, NotesAtOnce, working).ConfigureAwait(false);
        }
    }

    /// <summary>The slices that are due: what is left of those that were begun, else the next ones. Null at the end of the copy.</summary>
    private Task<ConversionDetail?> NextWaveAsync(RowSync sync, int size, int sessions, CancellationToken working) => tables.InSessionAsync("copy", async (session, server) =>
    {
        var state = await ConversionState.OfAsync(session, server, pair.State.Id).ConfigureAwait(false);
        var (detail, former) = (state.Detail, state.Detail.Wave ?? []);
        if (detail.IsCopied)
            return null;
        if (former.Any(s => !s.IsDone))
        {
            // To the end was said when the end was near: behind a pause it may be far.
            if (former is not [.., { IsDone: false, UpTo: null } last])
                return detail;
            var again = detail with { Wave = [.. former[..^1], last with { UpTo = await sync.EndOfSliceAsync(session.Unlimited, last.After, size).ConfigureAwait(false) }] };
            await state.NoteAsync(session, server, again).ConfigureAwait(false);
            return again;
        }
        var after = former is [.., var newest] ? newest.UpTo : detail.Checkpoint;
        var next = detail with { Checkpoint = after, IsCopied = former is [.., { UpTo: null }], Wave = null };
        if (!next.IsCopied)
        {
            var slices = new List<CopySlice>();
            while (slices.Count < sessions && slices is not [.., { UpTo: null }])
            {
                var from = slices is [.., var before] ? before.UpTo : after;
                slices.Add(new CopySlice(from, await sync.EndOfSliceAsync(session.Unlimited, from, size).ConfigureAwait(false), IsDone: false));
            }
            next = next with { Wave = [.. slices] };
        }
        await state.NoteAsync(session, server, next).ConfigureAwait(false);
        return next.IsCopied ? null : next;
    }, working);

    /// <summary>Copies slices side by side, and returns when all of them are at their end: until then no note is applied.</summary>
    private async Task<(long Rows, PartmanServerException? Collision)> WaveAsync(RowSync sync, ConversionDetail wave, int sessions, CopyPace pace, CancellationToken working)
    {
        var (rows, collision) = (0L, (PartmanServerException?)null);
        foreach (var some in wave.Wave!.Index().Where(s => !s.Item.IsDone).Chunk(sessions))
        {
            var running = some.Select(s => SliceAsync(sync, s.Index, s.Item, pace, working)).ToList();
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var one in running)
            {
                var (copied, refusal) = await one.ConfigureAwait(false);
                (rows, collision) = (rows + copied, collision ?? refusal);
            }
            if (collision is not null)
                break;
        }
        return (rows, collision);
    }

    // What collides with another slice, or finds no session that is free by now, may be copied later by one session alone. Where a session is lost, its transaction may go on.
    private async Task<(int Rows, PartmanServerException? Collision)> SliceAsync(RowSync sync, int place, CopySlice slice, CopyPace pace, CancellationToken working)
    {
        var hasSession = false;
        try
        {
            return (await CopiedAsync(sync, place, slice, pace, () => hasSession = true, working).ConfigureAwait(false), null);
        }
        catch (PartmanServerException error) when ((!hasSession && error.IsTransient) || error.SqlState is Npgsql.PostgresErrorCodes.UniqueViolation or Npgsql.PostgresErrorCodes.DeadlockDetected)
        {
            return (0, error);
        }
    }

    private async Task<int> CopiedAsync(RowSync sync, int place, CopySlice slice, CopyPace pace, Action begun, CancellationToken working)
    {
        var began = time.GetTimestamp();
        var copied = await tables.InSessionAsync("copy", async (session, server) =>
        {
            begun();
            await pair.State.HoldAsync(session.Unlimited, server).ConfigureAwait(false);
            var rows = await sync.CopyAsync(session.Unlimited, slice.After, slice.UpTo).ConfigureAwait(false);
            return await pair.State.NoteAsync(session, server, place, slice, rows).ConfigureAwait(false) ? rows
                : throw new StalePlanException(pair.State.Table, "copy", "another one: these rows were copied by a run that was taken for dead; resume the conversion");
        }, working).ConfigureAwait(false);
        pace.Took(copied, time.GetElapsedTime(began));
        return copied;
    }

    // One that waited for a connection of its own pool would wait for itself, and the server may need some for others.
    private async Task<int> SessionsAsync(CancellationToken working)
    {
        var room = await tables.InSessionAsync("look", (session, _) => session.ScalarAsync(
            """
            SELECT LEAST(
                current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8 - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid IS NOT NULL),
                (SELECT CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid) END FROM pg_catalog.pg_roles r WHERE r.rolname = session_user),
                (SELECT CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid) END FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
            """), working).ConfigureAwait(false) as long? ?? 1;
        return (int)Math.Clamp(Math.Min(database.PoolSize - ConnectionsBeside, room / 2), 1, pair.State.Detail.Sessions ?? Math.Min(Environment.ProcessorCount, UsualSessions));
    }

    // Behind the copy a sort makes of each partition what would have been a search in it for every row. False where a TRUNCATE came in between, and the copy begins anew.
    private async Task<bool> IndexAsync(RowSync sync, CancellationToken working)
    {
        var (now, sessions) = ((await tables.LoadAsync(pair.State.Id, working).ConfigureAwait(false))!, await SessionsAsync(working).ConfigureAwait(false));
        foreach (var index in CopyIndex.Of(now))
        {
            var made = now.Parted.Indexes.FirstOrDefault(i => i.Name == index.Name);
            if (made is null)
                await tables.RunAsync(now.Set, _ => index.Make(), working).ConfigureAwait(false);
            // One that is not valid lacks partitions.
            var lacking = made is { IsValid: true } ? [] : await tables.InSessionAsync("build index", (session, _) => index.LackingAsync(session, now.Parted.Oid), working).ConfigureAwait(false);
            foreach (var some in lacking.Chunk(sessions))
            {
                await Task.WhenAll(some.Select(p => tables.RunAsync(now.Set, _ => index.Build(p.Oid, p.Name), working))).ConfigureAwait(false);
                if (!await CatchUpAsync(sync, NotesAtOnce, working).ConfigureAwait(false))
                    return false;
            }
        }
        return true;
    }

    /// <summary>Applies notes until no more than some are left. False where a TRUNCATE was among them, and the copy begins anew.</summary>
    private async Task<bool> CatchUpAsync(RowSync sync, int left, CancellationToken working)
    {
        for (var (most, applied) = (NotesAtOnce, 0L); ;)
        {
            try
            {
                var (notes, isTruncated) = await tables.InSessionAsync("catch up", async (session, server) =>
                {
                    var (ids, isTruncated) = await sync.NotesAsync(session, most).ConfigureAwait(false);
                    // As many as were asked for: there may be more, and over a long copy the log would grow without end.
                    if (ids.Length <= left && ids.Length < most && !isTruncated)
                        return (0, false);
                    var state = await ConversionState.OfAsync(session, server, pair.State.Id).ConfigureAwait(false);
                    if (isTruncated)
                    {
                        await session.ExecuteAsync(sync.Empty).ConfigureAwait(false);
                        await state.NoteAsync(session, server, state.Detail with { Checkpoint = null, IsCopied = false, Rows = 0, Wave = null }).ConfigureAwait(false);
                        await sync.ApplyAsync(session.Unlimited, ids, new RowSync.Copied(null, [], IsWhole: false)).ConfigureAwait(false);
                    }
                    else
                    {
                        await sync.ApplyAsync(session.Unlimited, ids, new RowSync.Copied(state.Detail.Checkpoint, [.. (state.Detail.Wave ?? []).Where(s => s.IsDone)], state.Detail.IsCopied)).ConfigureAwait(false);
                    }
                    return (ids.Length, isTruncated);
                }, working).ConfigureAwait(false);
                if (isTruncated)
                    return false;
                if (notes == 0)
                    return true;
                var asked = most;
                (most, applied) = (NotesAtOnce, applied + notes);
                progress?.Report(new ConversionProgress(pair.State.Id, ConversionStep.CatchUp, applied, pair.State.Detail.EstimatedRows));
                // What came meanwhile is less each time, unless writers are faster: then it is for the limit under the lock.
                if (left == 0 && notes < asked)
                    return true;
            }
            catch (PartmanServerException error) when (error.SqlState == Npgsql.PostgresErrorCodes.UniqueViolation && most < MostNotesAtOnce)
            {
                // The row that gave the unique value away is named by a later note.
                most *= 2;
            }
        }
    }

    /// <summary>Compares both tables range by range, some side by side: each is a snapshot of its own. False where a TRUNCATE came in between.</summary>
    /// <exception cref="ConversionVerificationException">They are not equal.</exception>
    private async Task<bool> CompareAsync(RowSync sync, LiveTable to, bool isForward, CancellationToken working)
    {
        using var comparing = CancellationTokenSource.CreateLinkedTokenSource(working);
        var sessions = await SessionsAsync(working).ConfigureAwait(false);
        // What the planner knows of the copy is needed when it is in use, and not before. One statement however many partitions there are: it has a session to itself.
        var analyzed = database.RunEachAsync("analyze", async (session, _) => await session.Unlimited.ExecuteTextAsync($"ANALYZE {to.Name.Quoted}").ConfigureAwait(false), comparing.Token);
        var running = new Queue<Task<long?>>();
        try
        {
            var rows = 0L;
            for (var (after, isLast) = ((string[]?)null, false); !isLast || running.Count > 0;)
            {
                if (!isLast && running.Count < (analyzed.IsCompleted ? sessions : sessions - 1))
                {
                    var end = await tables.InSessionAsync("compare", (session, _) => sync.EndOfSliceAsync(session.Unlimited, after, ComparedAtOnce), comparing.Token).ConfigureAwait(false);
                    running.Enqueue(RangeAsync(sync, after, end, isForward, comparing.Token));
                    (after, isLast) = (end, end is null);
                    continue;
                }
                if (running.Count == 0)
                {
                    await analyzed.ConfigureAwait(false);
                    continue;
                }
                if (await running.Dequeue().ConfigureAwait(false) is not { } compared)
                    return false;
                progress?.Report(new ConversionProgress(pair.State.Id, ConversionStep.Verify, rows += compared, pair.State.Detail.EstimatedRows));
            }
            await analyzed.ConfigureAwait(false);
            return true;
        }
        finally
        {
            await comparing.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll([analyzed, .. running]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<long?> RangeAsync(RowSync sync, string[]? after, string[]? end, bool isForward, CancellationToken working)
    {
        if (await tables.InSessionAsync("compare", (session, _) => sync.CompareAsync(session.Unlimited, after, end), working).ConfigureAwait(false) is not { } compared)
            return null;
        return compared.Rows == compared.Copied && compared.IsSame ? compared.Rows : throw new ConversionVerificationException(pair.State.Table,
            $"from key ({(after is null ? "the first" : string.Join(", ", after))}) up to ({(end is null ? "the last" : string.Join(", ", end))}) it has {compared.Copied} rows for {compared.Rows}{(compared.Rows == compared.Copied ? ", with other content" : "")}.", isForward);
    }
}
