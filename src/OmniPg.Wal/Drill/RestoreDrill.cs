using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Proves that a backup can be restored by restoring it: into a scratch folder, replayed to the target, looked at, thrown away.</summary>
/// <remarks>
/// The copy is harmless: it archives, streams, subscribes, preloads and listens to nothing, its only door is a socket in its own folder, and it reads none of
/// the cluster's configuration files. What a killed drill has left, its server with it, the next one below the same folder removes. Run as the server's account, or
/// as root. Thread-safe; each call is a drill.
/// </remarks>
public sealed class RestoreDrill
{
    private readonly IObjectStore _store;
    private readonly IObjectStore? _archive;
    private readonly RestoreDrillOptions _options;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory? _loggers;
    private readonly ILogger _log;

    /// <summary>Makes drills out of a store; nothing is touched yet.</summary>
    /// <param name="store">The store with the backups. Not disposed.</param>
    /// <param name="archive">The WAL archive that <see cref="RestoreDrillOptions.RestoreCommand"/> reads, to compare with what was reached; null restores a backup with its own WAL. Not disposed.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">Clock of the report; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public RestoreDrill(IObjectStore store, IObjectStore? archive, RestoreDrillOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        (_store, _archive, _loggers, _time) = (store, archive, loggerFactory, timeProvider ?? TimeProvider.System);
        _options = OptionsCheck.Require(options ?? new RestoreDrillOptions());
        _log = loggerFactory?.CreateLogger<RestoreDrill>() ?? NullLogger<RestoreDrill>.Instance;
    }

    /// <summary>Runs one drill.</summary>
    /// <param name="progress">Told after every buffer of the restore; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels: the server is stopped, the copy removed.</param>
    /// <returns>What was found out. A backup that cannot be restored, and a target that is not reached, are results.</returns>
    /// <exception cref="WalDrillException">The drill could not run: no server programs, no scratch folder.</exception>
    /// <exception cref="WalArchiveAbsentException">The store, or the archive, is not begun or not mounted.</exception>
    /// <exception cref="IOException">The store, or the archive, cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<RestoreDrillResult> RunAsync(IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var activity = WalTelemetry.Source.StartActivity("wal.drill");
        var result = await RunOnceAsync(progress, cancellationToken).ConfigureAwait(false);
        activity?.SetTag("omnipg.wal.drill.verdict", result.Verdict.ToString());
        foreach (var finding in result.Findings)
            DrillLog.Found(_log, finding.Check, finding.Database, finding.Subject, finding.Text);
        DrillLog.Ended(_log, result.Backup?.Id, result.Verdict, result.ReachedTime, result.Restore, result.Replay, result.Checks);
        return result;
    }

    private async Task<RestoreDrillResult> RunOnceAsync(IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var sql = ReadSql();
        var result = new RestoreDrillResult { Verdict = RestoreDrillVerdict.NotReached, Target = _options.Target, Began = _time.GetUtcNow() };
        var clock = Stopwatch.StartNew();
        BackupInfo backup;
        RecoveryPath? path;
        try
        {
            (backup, path) = await new BackupChoice(_store, _archive, _loggers).RunAsync(_options.BackupId, _options.Target, cancellationToken).ConfigureAwait(false);
        }
        catch (WalBackupException refusal)
        {
            return result with { Reason = refusal.Message };
        }

        result = result with { Backup = backup, Findings = _options.BackupId is null ? await PassedOverAsync(backup, cancellationToken).ConfigureAwait(false) : [] };
        var (program, tried) = await ServerPrograms.FindAsync("postgres", backup.PgVersion, v => v == backup.PgVersion, _options.BinDirectory, cancellationToken).ConfigureAwait(false);
        if (program is null)
            throw WalDrillException.Programs(backup.PgVersion, _options.BinDirectory, tried);
        await DrillScratch.SweepAsync(_options.ScratchDirectory, _log, cancellationToken).ConfigureAwait(false);
        using var scratch = MakeScratch(await NeededAsync(backup, cancellationToken).ConfigureAwait(false));
        try
        {
            await RestoreAsync(backup, scratch, progress, cancellationToken).ConfigureAwait(false);
            result = result with { Restore = clock.Elapsed };
        }
        catch (WalBackupException refusal) when (refusal.Code == "wal.backup.target")
        {
            throw WalDrillException.Scratch(scratch.Root, refusal.Message, refusal);
        }
        catch (WalBackupException refusal) when (!refusal.IsTransient)
        {
            return result with { Restore = clock.Elapsed, Reason = refusal.Message };
        }

        result = await ReplayAsync(program, scratch, backup, sql, result, cancellationToken).ConfigureAwait(false);
        result = await CompareAsync(path, result, cancellationToken).ConfigureAwait(false);
        if (!_options.Keep)
            return result;
        scratch.Keep();
        return result with { KeptIn = scratch.Root };
    }

    // A drill of an older backup says nothing good about a newer one that is damaged.
    private async Task<IReadOnlyList<RestoreDrillFinding>> PassedOverAsync(BackupInfo chosen, CancellationToken cancellationToken)
    {
        var findings = new List<RestoreDrillFinding>();
        var backups = await new BackupCatalog(_store, _loggers)
            .ListAsync(damage => findings.Add(new RestoreDrillFinding("backup", "", damage.BackupId ?? "", damage.Message)), cancellationToken).ConfigureAwait(false);
        findings.AddRange(backups
            .Where(b => b.Problem is not null && string.CompareOrdinal(b.Id, chosen.Id) > 0)
            .Select(b => new RestoreDrillFinding("backup", "", b.Id, b.Problem!)));
        return findings;
    }

    private List<(string Path, string Text)> ReadSql()
    {
        var files = new List<(string Path, string Text)>();
        foreach (var path in _options.SqlFiles)
        {
            try
            {
                files.Add((path, File.ReadAllText(path)));
            }
            catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
            {
                throw WalDrillException.Sql(path, unreadable);
            }
        }

        return files;
    }

    // What an incremental backup holds comes in place of what it stands on, or beside it.
    private async Task<long> NeededAsync(BackupInfo backup, CancellationToken cancellationToken) =>
        (await new BackupCatalog(_store, _loggers).ChainAsync(backup, cancellationToken).ConfigureAwait(false)).Sum(b => b.RawBytes);

    private DrillScratch MakeScratch(long needed)
    {
        var parent = _options.ScratchDirectory;
        try
        {
            var scratch = DrillScratch.Make(parent);
            var free = new DriveInfo(scratch.Root).AvailableFreeSpace;
            if (free >= needed)
                return scratch;
            scratch.Dispose();
            throw WalDrillException.Scratch(parent, $"the cluster takes '{needed}' bytes, and '{free}' are free.");
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDrillException.Scratch(parent, refused.Message, refused);
        }
    }

    private async Task RestoreAsync(BackupInfo backup, DrillScratch scratch, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var options = new BackupRestoreOptions
        {
            BackupId = backup.Id,
            Target = _options.Target,
            RestoreCommand = _options.RestoreCommand,
            TablespaceMap = backup.Tablespaces.ToDictionary(t => t.Location, t => scratch.TablespaceOf(t.Oid)),
            Harmless = true,
        };
        await new BackupRestore(_store, options, loggerFactory: _loggers, timeProvider: _time).RunAsync(scratch.Data, progress, cancellationToken).ConfigureAwait(false);
        scratch.GiveTo(FileStat.OwnerOf(Path.Combine(scratch.Data, "PG_VERSION")));
    }

    private async Task<RestoreDrillResult> ReplayAsync(
        string program, DrillScratch scratch, BackupInfo backup, IReadOnlyList<(string Path, string Text)> sql, RestoreDrillResult result, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var (server, reason) = await DrillServer.StartAsync(program, scratch, _options, backup.PgVersion, _log, cancellationToken).ConfigureAwait(false);
        result = result with { Replay = clock.Elapsed, Reason = reason };
        if (server is null)
            return result;
        await using (server.ConfigureAwait(false))
            result = await LookAsync(server, backup, sql, result, cancellationToken).ConfigureAwait(false);
        // Its last words come with its end.
        return server.LackOfRoom is { } full ? throw WalDrillException.Scratch(scratch.Root, full) : result;
    }

    private async Task<RestoreDrillResult> LookAsync(
        DrillServer server, BackupInfo backup, IReadOnlyList<(string Path, string Text)> sql, RestoreDrillResult result, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var reached = await ReachedAsync(server, cancellationToken).ConfigureAwait(false);
        var checks = new DrillChecks(server, _options, sql);
        await checks.RunAsync(cancellationToken).ConfigureAwait(false);
        return result with
        {
            Verdict = result.Findings.Count + checks.Findings.Count == 0 ? RestoreDrillVerdict.Clean : RestoreDrillVerdict.Findings,
            // What was committed before the end of the backup is in it, replayed or not.
            ReachedTime = reached.Time > backup.Stopped ? reached.Time : backup.Stopped,
            ReachedLsn = reached.Lsn ?? backup.StopLsn,
            Timeline = backup.Timeline,
            Checks = clock.Elapsed,
            Findings = [.. result.Findings, .. checks.Findings],
            Tables = checks.Tables,
            Rows = checks.Rows,
            Amchecked = checks.Amchecked,
        };
    }

    private async Task<(DateTimeOffset? Time, NpgsqlLogSequenceNumber? Lsn)> ReachedAsync(DrillServer server, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await server.ConnectAsync(_options.Database, cancellationToken).ConfigureAwait(false);
            await using var closing = connection.ConfigureAwait(false);
            // Both stay what they were when recovery ended.
            using var command = new NpgsqlCommand("SELECT pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.pg_last_wal_replay_lsn()", connection);
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using var ending = reader.ConfigureAwait(false);
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            return (
                await reader.IsDBNullAsync(0, cancellationToken).ConfigureAwait(false) ? null : new DateTimeOffset(reader.GetDateTime(0)),
                await reader.IsDBNullAsync(1, cancellationToken).ConfigureAwait(false) ? null : reader.GetFieldValue<NpgsqlLogSequenceNumber>(1));
        }
        catch (PostgresException refusal) when (refusal.SqlState is PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.InsufficientPrivilege)
        {
            throw WalDrillException.Connect(_options.User, _options.Database, refusal);
        }
        catch (NpgsqlException)
        {
            // A damaged catalogue, say: the checks meet it again and report it.
            return (null, null);
        }
    }

    /// <summary>What the archive held when the drill began, against what was reached of it.</summary>
    private async Task<RestoreDrillResult> CompareAsync(RecoveryPath? path, RestoreDrillResult result, CancellationToken cancellationToken)
    {
        if (path is null)
            return result with { Lost = result.ReachedTime is null ? null : TimeSpan.Zero };
        if (result.ReachedTime is { } && _options.Target.Setting.Length > 0)
            return result with { Lost = TimeSpan.Zero, Timeline = path.History.Timeline };
        var lost = new LostWork(_archive!);
        await lost.ReadAsync(path.Behind, cancellationToken).ConfigureAwait(false);
        result = result with { LostTransactions = lost.Transactions, LostRows = lost.Rows };
        if (result.ReachedTime is not { } reached)
            return result with { Reason = path.FirstMissing is { } gap ? $"{result.Reason} WAL file '{gap}' is missing in the archive '{_archive!.Id}'." : result.Reason };
        result = result with { Timeline = path.History.Timeline, Lost = lost.LastCommit > reached ? lost.LastCommit - reached : TimeSpan.Zero };
        if (path.FirstMissing is { } missing)
        {
            return result with
            {
                Verdict = RestoreDrillVerdict.NotReached,
                Reason = $"WAL file '{missing}' is missing in the archive '{_archive!.Id}', which holds '{path.Behind.Count}' later ones on the way along timeline '{path.History.Timeline}'.",
            };
        }

        return await LastRecordAsync(path, cancellationToken).ConfigureAwait(false) is { } last && result.ReachedLsn <= last
            ? result with { Verdict = RestoreDrillVerdict.NotReached, Reason = $"Recovery ended at '{result.ReachedLsn}', and the last record in the archive starts at '{last}'." }
            : result;
    }

    private async Task<NpgsqlLogSequenceNumber?> LastRecordAsync(RecoveryPath path, CancellationToken cancellationToken)
    {
        foreach (var copy in path.Run.Reverse().SelectMany(c => c))
        {
            if (await WindowFinder.SummaryAsync(_archive!, copy, cancellationToken).ConfigureAwait(false) is { LastRecord: { } last })
                return last;
        }

        return null;
    }
}
