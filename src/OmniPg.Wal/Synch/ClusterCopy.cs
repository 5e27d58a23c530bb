using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Copies the files of a running server to new data directories, here and on other hosts: standbys without a base backup in between. The original's <c>omnipitr-synch</c>.</summary>
/// <remarks>
/// Runs on the server's machine as an account that may read its files, beside a session with EXECUTE on <c>pg_backup_start</c> and <c>pg_backup_stop</c>. Each file is read once for all places. There, a POSIX
/// shell and tar do the work, as the account that the remote shell lets in: that of the new server, or root, for whom files keep their owners' numbers. <c>backup_label</c> and <c>tablespace_map</c> are those of
/// the stop, and <c>global/pg_control</c> gets its name last: what a failed or killed copy leaves is no cluster that a server would start. Not on Windows. Thread-safe; one copy of a server at a time.
/// </remarks>
public sealed class ClusterCopy
{
    private const string Label = "omnipg-synch";

    private readonly NpgsqlDataSource _server;
    private readonly ClusterCopyOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly WalCopier _copier;

    /// <summary>Makes copies of one server; nothing is touched yet.</summary>
    /// <param name="server">The server, directly and not through a transaction pooler: one session lasts as long as the copy. Not disposed.</param>
    /// <param name="options">Where and how.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">Clock of waits; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public ClusterCopy(NpgsqlDataSource server, ClusterCopyOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(options);
        (_server, _options, _time) = (server, OptionsCheck.Require(options), timeProvider ?? TimeProvider.System);
        _log = loggerFactory?.CreateLogger<ClusterCopy>() ?? NullLogger<ClusterCopy>.Instance;
        _copier = new WalCopier(_time);
    }

    /// <summary>Looks at the server and at each place, and says what a copy would do. Changes nothing anywhere.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The plan; <see cref="ClusterCopyPlan.Problems"/> tells why it cannot be executed.</returns>
    /// <exception cref="WalBackupException">The server refused or is another one's than the data directory, or a place cannot be looked at (<c>wal.backup.copy</c>).</exception>
    /// <exception cref="WalInputException">A file of the data directory cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<ClusterCopyPlan> PlanAsync(CancellationToken cancellationToken = default)
    {
        var session = await BackupSession.OpenAsync(_server, _time, cancellationToken).ConfigureAwait(false);
        await using var closing = session.ConfigureAwait(false);
        var source = new BackupSource(session, _time);
        await source.LookAsync(_options.DataDirectory, cancellationToken).ConfigureAwait(false);
        var tablespaces = source.Tablespaces();
        var targets = _options.Targets.Select(t => new ClusterCopyTarget(t, FoldersOf(t, source.DataDirectory, tablespaces))).ToList();
        var looked = await Task.WhenAll(targets.Select(t => LookAsync(t, source, cancellationToken))).ConfigureAwait(false);
        return new ClusterCopyPlan(source.Facts.SystemIdentifier, session.PgVersion, source.DataDirectory, source.Measure(tablespaces), [.. looked.Select(t => WithOverlaps(t, looked, source.DataDirectory, tablespaces))])
        {
            Tablespaces = tablespaces,
        };
    }

    /// <summary>Executes a plan: marks the places, starts the backup, removes what the plan says, copies, stops, flushes. A place that fails does not hold up the others.</summary>
    /// <param name="plan">The plan of <see cref="PlanAsync"/>. A place that is not any more what it was then is refused.</param>
    /// <param name="progress">Told after every buffer read; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels; the server gives the backup up.</param>
    /// <returns>What was copied; every place holds it.</returns>
    /// <exception cref="WalBackupException">The plan cannot be executed (<c>wal.backup.target</c>), a place failed (<c>wal.backup.copy</c>, which names those that are complete), the server refused, its session ended, or another copy of it is at work.</exception>
    /// <exception cref="WalInputException">A file of the data directory cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<ClusterCopyResult> ExecuteAsync(ClusterCopyPlan plan, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Problems is [var problem, ..])
            throw new WalBackupException("wal.backup.target", $"Nothing was copied: {problem}.", "Name empty folders ('--map' for tablespaces), or allow to overwrite ('--overwrite').");
        var session = await BackupSession.OpenAsync(_server, _time, cancellationToken).ConfigureAwait(false);
        await using var closing = session.ConfigureAwait(false);
        using var work = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, session.Lost);
        try
        {
            return await RunAsync(session, plan, progress, work.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException ended) when (session.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw BackupSession.LostDuring(ended);
        }
    }

    private async Task<BackupSource> OpenAsPlannedAsync(BackupSession session, ClusterCopyPlan plan, CancellationToken cancellationToken)
    {
        var source = new BackupSource(session, _time);
        await source.LookAsync(plan.DataDirectory, cancellationToken).ConfigureAwait(false);
        if (source.Facts.SystemIdentifier != plan.SystemIdentifier)
            throw new WalBackupException("wal.backup.other-server", $"The plan is for system '{plan.SystemIdentifier}', the server has '{source.Facts.SystemIdentifier}'.", "Plan again.");
        if (_options.IncludeWal && source.Facts.IsStandby)
            throw new WalBackupException("wal.backup.server", "A standby cannot give the WAL of a copy: its last segment is still being received.", "Leave the WAL out ('--skip-xlogs'), and see that the copy fetches it.");
        if (!await session.TryLockAsync(cancellationToken).ConfigureAwait(false))
            throw new WalBackupException("wal.backup.server", $"Another copy of system '{plan.SystemIdentifier}' is at work.", "Wait for its end.");
        return source;
    }

    private async Task<ClusterCopyResult> RunAsync(BackupSession session, ClusterCopyPlan plan, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var source = await OpenAsPlannedAsync(session, plan, cancellationToken).ConfigureAwait(false);
        var call = string.Create(CultureInfo.InvariantCulture, $"{plan.SystemIdentifier} {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}");
        var workers = plan.Targets.Select((t, i) => new CopyWorker(t, _options, plan.PgVersion, string.Create(CultureInfo.InvariantCulture, $"{call}.{i}"))).ToList();
        await RequireAsPlannedAsync(workers, plan, cancellationToken).ConfigureAwait(false);
        await source.StartAsync(Label, _options.FastCheckpoint, cancellationToken).ConfigureAwait(false);
        if (!source.Tablespaces().SequenceEqual(plan.Tablespaces))
            throw new WalBackupException("wal.backup.tablespace", "A tablespace was made, dropped or moved since the copy was planned.", "Plan again.");
        var mode = OperatingSystem.IsWindows() ? "700" : Convert.ToString((int)File.GetUnixFileMode(plan.DataDirectory) & 0x1FF, 8);
        var owner = source.Owner;
        await EachAsync(workers, w => w.MarkAsync(mode, cancellationToken)).ConfigureAwait(false);
        await RequireElsewhereAsync(workers, plan, cancellationToken).ConfigureAwait(false);
        await EachAsync(workers, w => w.ClearAsync(cancellationToken)).ConfigureAwait(false);

        long bytes = 0, vanished = 0, shortened = 0;
        foreach (var tablespace in plan.Tablespaces)
            await SendAsync(source.Tablespace(tablespace), tablespace.Oid).ConfigureAwait(false);
        var shape = new BaseShape(_options.IncludeWal)
        {
            ControlSuffix = TarExtractor.HeldBack,
            TablespaceMap = map => MapOf(map, _options.TablespaceMap),
            EmptyFiles = _options.Standby ? [ClusterFiles.StandbySignal] : [],
        };
        await SendAsync(source.Base(shape, cancellationToken), 0).ConfigureAwait(false);
        await EachAsync(workers, w => w.FinishAsync(mode, $"{owner.User}:{owner.Group}", cancellationToken)).ConfigureAwait(false);
        if (workers.Exists(w => w.Error is not null))
            throw NotCopied(plan, workers);
        var locations = plan.Targets.Select(t => t.Location).ToList();
        BackupLog.Copied(_log, plan.DataDirectory, string.Join(", ", locations), bytes);
        return new ClusterCopyResult(locations, source.Manifest.Files, bytes, source.End!.StopLsn, vanished, shortened);

        async Task SendAsync(TarSource tar, uint tablespace)
        {
            await using var closing = tar.ConfigureAwait(false);
            var alive = workers.FindAll(w => w.Error is null);
            if (alive.Count == 0)
                throw NotCopied(plan, workers);
            var name = tablespace == 0 ? "base.tar" : $"{tablespace}.tar";
            var request = new CopyRequest
            {
                Source = tar,
                Targets = [.. alive.Select(w => w.Extractor(tablespace, name))],
                NeedsHashes = false,
                OnRead = read => progress?.Report(new BackupProgress(name, read)),
            };
            var outcome = await _copier.CopyAsync(request, cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < alive.Count; i++)
            {
                if (outcome.Targets[i].Error is { } error)
                    alive[i].Fail(error);
            }

            (bytes, vanished, shortened) = (bytes + outcome.Content.RawBytes, vanished + tar.Vanished, shortened + tar.Shortened);
        }
    }

    private static Task EachAsync(List<CopyWorker> workers, Func<CopyWorker, Task> step) => Task.WhenAll(workers.Where(w => w.Error is null).Select(step));

    // The states are compared once more when the folders are marked; here they are what makes the marks comparable.
    private static async Task RequireAsPlannedAsync(List<CopyWorker> workers, ClusterCopyPlan plan, CancellationToken cancellationToken)
    {
        var looks = await Task.WhenAll(workers.Select(w => LookAsync(w, cancellationToken))).ConfigureAwait(false);
        foreach (var (worker, states) in workers.Zip(looks))
        {
            var now = worker.Target.Folders.Zip(states, (f, state) => Judge(f, state, plan.SystemIdentifier, overwrite: f.IsEmptied)).ToList();
            if (now.Find(f => f.Problem is not null) is { } changed)
                throw WalBackupException.Target(worker.Target.Host + changed.To, changed.Problem + ", which it was not when the copy was planned", "Plan again.");
        }
    }

    // Whatever the paths look like: a folder of the server itself, through a link, a second mount or a host that is this one, shows the mark on this side too.
    private static async Task RequireElsewhereAsync(List<CopyWorker> workers, ClusterCopyPlan plan, CancellationToken cancellationToken)
    {
        foreach (var folder in plan.Tablespaces.Select(t => t.Location).Prepend(plan.DataDirectory))
        {
            var path = Path.Combine(folder, ClusterFiles.CopyMark);
            if (!File.Exists(path) || (await File.ReadAllLinesAsync(path, Encoding.UTF8, cancellationToken).ConfigureAwait(false)) is not [var mark, ..] || !workers.Exists(w => w.Mark == mark))
                continue;
            await EachAsync(workers, w => w.UnmarkAsync(cancellationToken)).ConfigureAwait(false);
            throw WalBackupException.Target(folder, "it is the server's own, under another name", "Name another folder.");
        }
    }

    private async Task<ClusterCopyTarget> LookAsync(ClusterCopyTarget target, BackupSource source, CancellationToken cancellationToken)
    {
        var states = await LookAsync(new CopyWorker(target, _options, source.Control.PgMajor ?? 0, ""), cancellationToken).ConfigureAwait(false);
        return target with { Folders = [.. target.Folders.Zip(states, (f, state) => Judge(f, state, source.Facts.SystemIdentifier, _options.Overwrite))] };
    }

    private static async Task<string[]> LookAsync(CopyWorker worker, CancellationToken cancellationToken)
    {
        try
        {
            return await worker.LookAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception trouble) when (trouble is ExternalProcessException or InvalidDataException)
        {
            throw new WalBackupException("wal.backup.copy", $"'{worker.Target.Location}' cannot be looked at: {trouble.Message}", "See that the remote shell lets this account in without a password.", trouble) { Destination = worker.Target.Location };
        }
    }

    /// <summary>What a folder's state means.</summary>
    private static ClusterCopyFolder Judge(ClusterCopyFolder folder, string state, ulong system, bool overwrite)
    {
        var (word, rest) = state.Split(' ', 2) is [var first, var second] ? (first, second) : (state, "");
        var isOwn = word == "own" || ((word is "cluster" or "begun") && rest.Split(' ')[0] == system.ToString(CultureInfo.InvariantCulture));
        return word switch
        {
            "absent" or "empty" => folder,
            _ when isOwn && overwrite => folder with { IsEmptied = true },
            "own" => folder with { Problem = "holds a tablespace of the cluster that is there" },
            "begun" => folder with { Problem = isOwn ? "holds what an earlier copy of this cluster left" : $"holds what a copy of system '{rest.Split(' ')[0]}' left" },
            "cluster" => folder with { Problem = isOwn ? "holds a cluster" : $"holds another cluster, with system '{rest}', which nothing overwrites" },
            "working" => folder with { Problem = "holds a copy that is still at work" },
            "inside" => folder with { Problem = "lies within the files of a cluster" },
            "mount" => folder with { Problem = "has another file system mounted below it, whose files are none of its own" },
            "running" => folder with { Problem = "holds a server that runs (postmaster.pid)" },
            "orphan" => folder with { Problem = "has no folder above it, which may be a mount that is missing" },
            "file" => folder with { Problem = "is no folder" },
            "unreadable" => folder with { Problem = "cannot be read" },
            _ => folder with { Problem = "is not empty, and holds nothing that a copy would replace" },
        };
    }

    private List<ClusterCopyFolder> FoldersOf(string location, string data, IReadOnlyList<BackupTablespace> tablespaces) =>
        [new(0, data, CopyPlace.TryParse(location)!.Folder), .. tablespaces.Select(t => new ClusterCopyFolder(t.Oid, t.Location, Mapped(t.Location, _options.TablespaceMap)))];

    private static string Mapped(string path, IEnumerable<KeyValuePair<string, string>> rules) =>
        rules.Aggregate(path, static (found, rule) => found.StartsWith(rule.Key, StringComparison.Ordinal) ? rule.Value + found[rule.Key.Length..] : found);

    // Two copies, two folders of one, or a copy and the server itself.
    private static ClusterCopyTarget WithOverlaps(ClusterCopyTarget target, IReadOnlyList<ClusterCopyTarget> all, string data, IReadOnlyList<BackupTablespace> tablespaces)
    {
        var taken = all.SelectMany(t => t.Folders.Select(f => (t.Host, f.To, Folder: (ClusterCopyFolder?)f))).Concat(tablespaces.Select(t => t.Location).Prepend(data).Select(own => (Host: "", To: own, Folder: (ClusterCopyFolder?)null))).ToList();
        return target with
        {
            Folders = [.. target.Folders.Select(f => taken.Exists(o => !ReferenceEquals(o.Folder, f) && o.Host == target.Host && (CopyPlace.IsWithin(f.To, o.To) || CopyPlace.IsWithin(o.To, f.To)))
                ? f with { Problem = "is, lies in, or holds another folder of the copy or of the server" }
                : CopyPlace.IsFolder(f.To) ? f : f with { Problem = "is no path that a copy can be given" })],
        };
    }

    /// <summary>The map with the paths of the copy. A backslash stands before one, and before the end of a line in a path (<c>do_pg_backup_start</c>, xlog.c).</summary>
    private static string MapOf(string map, IReadOnlyList<KeyValuePair<string, string>> rules)
    {
        if (rules.Count == 0)
            return map;
        var result = new StringBuilder();
        foreach (var line in map.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = line.IndexOf(' ', StringComparison.Ordinal) + 1;
            result.Append(line, 0, at).Append(Mapped(line[at..].Replace(@"\\", @"\", StringComparison.Ordinal), rules).Replace(@"\", @"\\", StringComparison.Ordinal)).Append('\n');
        }

        return result.ToString();
    }

    private static WalBackupException NotCopied(ClusterCopyPlan plan, List<CopyWorker> workers)
    {
        var failed = workers.FindAll(w => w.Error is not null);
        var complete = workers.Except(failed).Select(w => $"'{w.Target.Location}'").ToList();
        var named = failed.FindAll(w => w.MayBeCluster).ConvertAll(w => $"'{w.Target.Location}'");
        var left = named.Count == 0 ? "What is there is no cluster that a server would start."
            : $"A server may start on {string.Join(", ", named)}, although nothing proves that all of it is on disk: start none.{(named.Count < failed.Count ? " What is at the others is no cluster." : "")}";
        return new WalBackupException(
            "wal.backup.copy",
            $"'{plan.DataDirectory}' was not copied to '{failed.Count}' of '{workers.Count}' places: {string.Join(' ', failed.Select(w => $"'{w.Target.Location}': {w.Error!.Message}"))}{(complete.Count > 0 ? $" Complete: {string.Join(", ", complete)}." : "")}",
            $"{left} Mend the cause, and copy to these places again with '--overwrite'.",
            failed[0].Error)
        {
            Destination = failed[0].Target.Location,
        };
    }
}
