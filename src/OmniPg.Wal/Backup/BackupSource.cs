using System.Runtime.CompilerServices;
using System.Text;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>The server whose files are read between the start and the stop of a backup, as tar files: tablespaces, data directory, control file, label.</summary>
/// <param name="session">The session with the server.</param>
/// <param name="time">Clock of pauses, and of what is no file.</param>
/// <param name="options">Of a backup; null where the caller tells what it needs itself.</param>
internal sealed class BackupSource(BackupSession session, TimeProvider time, BaseBackupOptions? options = null) : IBackupSource
{
    /// <summary>The first major version that summarizes its WAL, so that incremental backups can be made.</summary>
    public const int FirstWithSummaries = 17;

    // PG_DATA_CHECKSUM_VERSION (bufpage.h); PostgreSQL 19 has further numbers for clusters that are on the way there.
    private const uint ChecksumsOn = 1;

    private ClusterFiles _files = null!;
    private IncrementPlan? _plan;
    private BackupInfo? _prior;
    private (int BlockBytes, uint FileBlocks, bool IsSummarizing)? _layout;

    public ServerFacts Facts { get; private set; } = null!;

    public string DataDirectory { get; private set; } = "";

    public PgControlFile Control { get; private set; } = null!;

    /// <summary>Whose the data directory is: the folder, and not a link to it.</summary>
    public (uint User, uint Group) Owner => FileStat.OwnerOf(Path.Combine(DataDirectory, "."));

    public BackupManifest Manifest { get; } = new();

    /// <summary>The manifest as it stands in the backup; known when the data has been read.</summary>
    public byte[] ManifestContent { get; private set; } = [];

    public NpgsqlLogSequenceNumber Start { get; private set; }

    /// <summary>Known when the data has been read.</summary>
    public BackupEnd? End { get; private set; }

    public int SegmentSize => Control.SegmentSize;

    public int Files => Manifest.Files;

    public long Vanished { get; private set; }

    public long Shortened { get; private set; }

    public long DamagedPages => Pages?.Count ?? 0;

    Task IBackupSource.LookAsync(CancellationToken cancellationToken) => LookAsync(options!.DataDirectory, cancellationToken);

    Task IBackupSource.StartAsync(CancellationToken cancellationToken) => StartAsync(options!.Label, options.FastCheckpoint, cancellationToken);

    public async IAsyncEnumerable<(uint Tablespace, ICopySource Tar)> ReadAsync(
        IReadOnlyList<BackupTablespace> tablespaces, bool includesWal, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var (oid, tar) in tablespaces.Select(t => (t.Oid, Tablespace(t))).Append((0u, Base(new BaseShape(includesWal), cancellationToken))))
        {
            await using var closing = tar.ConfigureAwait(false);
            yield return (oid, tar);
            (Vanished, Shortened) = (Vanished + tar.Vanished, Shortened + tar.Shortened);
        }
    }

    /// <summary>Asks the server who it is, and looks whether the data directory is its own.</summary>
    /// <param name="dataDirectory">The directory; null asks the server.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task LookAsync(string? dataDirectory, CancellationToken cancellationToken)
    {
        Facts = await session.AskAsync(cancellationToken).ConfigureAwait(false);
        DataDirectory = dataDirectory ?? Facts.DataDirectory
            ?? throw new WalBackupException("wal.backup.privilege", "The server does not tell this role its data directory.", "Name the directory, or GRANT pg_read_all_settings TO the role.");
        Control = await PgControlFile.ReadAsync(DataDirectory, time, cancellationToken).ConfigureAwait(false);
        RequireSameServer();
        _files = new ClusterFiles(DataDirectory, Facts.StatisticsFolder, options?.Exclude);
    }

    public async Task StartAsync(string label, bool isFast, CancellationToken cancellationToken)
    {
        Start = await session.StartAsync(label, isFast, cancellationToken).ConfigureAwait(false);
        if (Pages is not null)
            Pages.Start = (ulong)Start;
    }

    /// <summary>Refuses an incremental backup that can be told to be impossible before it begins.</summary>
    public async Task RequireIncrementableAsync(BackupInfo prior, CancellationToken cancellationToken)
    {
        if (session.PgVersion < FirstWithSummaries)
            throw Refused(prior, $"the server is PostgreSQL '{session.PgVersion}', and WAL is summarized from '{FirstWithSummaries}' on", "Make a full backup.");
        if (prior.SystemIdentifier != Facts.SystemIdentifier || prior.PgVersion != session.PgVersion)
            throw Refused(prior, $"it is of cluster '{prior.SystemIdentifier}', PostgreSQL '{prior.PgVersion}', and the server is cluster '{Facts.SystemIdentifier}', PostgreSQL '{session.PgVersion}'", "Make a full backup.");
        if (prior.Manifest is null)
            throw Refused(prior, "it was made without an object for its manifest", "Make a full backup, on which incremental ones can stand.");
        var (blockBytes, _, isSummarizing) = await LayoutAsync(cancellationToken).ConfigureAwait(false);
        if (!isSummarizing)
            throw Refused(prior, "the server makes no WAL summaries", "Set 'summarize_wal = on' and reload; then make a full backup, on which incremental ones can stand.");
        if (blockBytes != FileIncrement.BlockBytes)
            throw Refused(prior, $"the server's blocks have '{blockBytes}' bytes instead of '{FileIncrement.BlockBytes}'", "Make full backups.");
    }

    /// <summary>Reads of relations only what was changed since another backup began. Called between the start and the first data.</summary>
    /// <param name="prior">That backup.</param>
    /// <param name="priorPaths">The files in it.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task FollowAsync(BackupInfo prior, IReadOnlySet<string> priorPaths, CancellationToken cancellationToken)
    {
        // The checkpoint of the start tells the timeline, also of a server that was promoted just now.
        RequireSameTimeline(prior, (await PgControlFile.ReadAsync(DataDirectory, time, cancellationToken).ConfigureAwait(false)).Timeline);
        // On a standby the start may lie far back: then this backup would end up before the other is consistent.
        if (Start < prior.StopLsn)
            throw Refused(prior, $"it is consistent at '{prior.StopLsn}', and this backup starts at '{Start}'", "Wait for the next checkpoint of the primary, or make a full backup.");
        var changed = await new WalSummaries(session, time).ReadAsync(prior, Start, cancellationToken).ConfigureAwait(false);
        var (_, fileBlocks, _) = await LayoutAsync(cancellationToken).ConfigureAwait(false);
        (_plan, _prior) = (new IncrementPlan(priorPaths, changed, fileBlocks), prior);
    }

    /// <summary>Has the pages compared with their checksums, where the cluster has such, in blocks of the usual size. Called before the start.</summary>
    /// <param name="found">Told of each damaged page.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task CheckPagesAsync(Action<DamagedPage> found, CancellationToken cancellationToken)
    {
        if (Control.DataChecksumVersion == ChecksumsOn && await LayoutAsync(cancellationToken).ConfigureAwait(false) is { BlockBytes: PageChecksum.PageBytes } layout)
            Pages = new PageCheck(layout.FileBlocks, found);
    }

    /// <summary>Looks at the pages as they are read; null where none are looked at.</summary>
    public PageCheck? Pages { get; private set; }

    public IReadOnlyList<BackupTablespace> Tablespaces() => _files.Tablespaces();

    /// <summary>Bytes of the files as they are now.</summary>
    public long Measure(IReadOnlyList<BackupTablespace> tablespaces)
    {
        var files = tablespaces.SelectMany(t => _files.OfTablespace(t, session.PgVersion)).Concat(_files.OfDataDirectory()).Where(m => m.Kind == TarKind.File);
        return files.Sum(m => FileStat.TryGet(m.FullPath!, out var stat) ? stat.Bytes : 0);
    }

    public TarSource Tablespace(BackupTablespace tablespace) => Tar(Listed(_files.OfTablespace(tablespace, session.PgVersion)));

    public TarSource Base(BaseShape shape, CancellationToken cancellationToken) => Tar(BaseAsync(shape, cancellationToken));

    /// <summary>The WAL without which what was read is nothing.</summary>
    public BackupWal Wal()
    {
        var label = BackupLabel.Parse(End!.Label);
        return new BackupWal(Facts.SystemIdentifier, session.PgVersion, WalSegmentSize.FromBytes(Control.SegmentSize), label.StartTimeline ?? Control.Timeline, Start, End.StopLsn);
    }

    private async ValueTask<(int BlockBytes, uint FileBlocks, bool IsSummarizing)> LayoutAsync(CancellationToken cancellationToken) =>
        _layout ??= await session.LayoutAsync(cancellationToken).ConfigureAwait(false);

    private TarSource Tar(IAsyncEnumerable<TarMember> members) => new(members, Manifest, Owner, time, _plan, Pages);

    private static void RequireSameTimeline(BackupInfo prior, uint timeline)
    {
        if (prior.Timeline != timeline)
            throw Refused(prior, $"it is of timeline '{prior.Timeline}', and the server is on timeline '{timeline}'", "Make a full backup: each timeline begins its own chain.");
    }

    private static WalBackupException Refused(BackupInfo prior, string why, string hint) => WalBackupException.Increment(prior.Id, why, hint);

    // A standby on the same machine has the same identifier; the port tells them apart, and so does the state.
    private void RequireSameServer()
    {
        var pid = Path.Combine(DataDirectory, "postmaster.pid");
        var port = File.Exists(pid) ? File.ReadLines(pid).ElementAtOrDefault(3) : null;
        var isStandby = Control.State == PgClusterState.InArchiveRecovery;
        if (Control.SystemIdentifier != Facts.SystemIdentifier || port != $"{Facts.Port}" || isStandby != Facts.IsStandby)
        {
            throw new WalBackupException(
                "wal.backup.other-server",
                $"'{DataDirectory}' is not the data directory of the server connected to: there system '{Control.SystemIdentifier}', port '{port ?? "none"}', {(isStandby ? "standby" : "primary")}; "
                + $"the server has system '{Facts.SystemIdentifier}', port '{Facts.Port}', {(Facts.IsStandby ? "standby" : "primary")}.",
                "Name the data directory of this server; the backup runs on its machine.");
        }
    }

    /// <summary>The data directory with the control file behind all data, then what is known only when the backup has stopped.</summary>
    private async IAsyncEnumerable<TarMember> BaseAsync(BaseShape shape, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var member in _files.OfDataDirectory())
            yield return member;
        // Behind all pages: on a standby its minimum recovery point must lie behind every page that was read.
        var (control, bytes) = await PgControlFile.ReadImageAsync(DataDirectory, time, cancellationToken).ConfigureAwait(false);
        Control = control;
        var controlPath = PgControlFile.RelativePath.Replace('\\', '/');
        yield return Content(controlPath, bytes) with { Path = controlPath + shape.ControlSuffix };

        End = await session.StopAsync(cancellationToken).ConfigureAwait(false);
        Pages?.End((ulong)End.StopLsn);
        if (_prior is { } prior)
        {
            RequireSameTimeline(prior, BackupLabel.Parse(End.Label).StartTimeline ?? Control.Timeline);
            // As the server's own incremental backup (build_backup_content): with these lines no server starts on what is only a part.
            End = End with { Label = $"{End.Label}{BackupLabel.IncrementalLsn}: {prior.StartLsn}\n{BackupLabel.IncrementalTimeline}: {prior.Timeline}\n" };
        }

        yield return Content(ClusterFiles.LabelFile, Encoding.UTF8.GetBytes(End.Label));
        if (End.TablespaceMap.Length > 0)
            yield return Content(ClusterFiles.MapFile, Encoding.UTF8.GetBytes(shape.TablespaceMap?.Invoke(End.TablespaceMap) ?? End.TablespaceMap));
        foreach (var name in shape.IncludesWal ? Wal().Segments : [])
        {
            var folder = Path.Combine(DataDirectory, "pg_wal");
            await Wal().RequireInAsync(folder, name, cancellationToken).ConfigureAwait(false);
            var path = Path.Combine(folder, name.ToString());
            yield return new TarMember($"pg_wal/{name}", TarKind.File) { FullPath = path };
            // Read by now, unless the server removed it or made a later segment of it meanwhile; it never gets the name back.
            if (!File.Exists(path))
                throw BackupWal.Missing(name, $"was removed from '{folder}' while it was read");
            // Or the restored server would archive it once more.
            yield return new TarMember($"pg_wal/archive_status/{name}.done", TarKind.File);
        }

        foreach (var name in shape.EmptyFiles)
            yield return new TarMember(name, TarKind.File);
        var label = BackupLabel.Parse(End.Label);
        ManifestContent = Manifest.Write(session.PgVersion, Facts.SystemIdentifier, label.StartTimeline ?? Control.Timeline, Start, End.StopLsn);
        yield return new TarMember(BackupManifest.FileName, TarKind.File) { Content = ManifestContent };
    }

    private static TarMember Content(string path, byte[] bytes) => new(path, TarKind.File) { Content = bytes, ManifestPath = path };

    private static async IAsyncEnumerable<TarMember> Listed(IEnumerable<TarMember> members)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (var member in members)
            yield return member;
    }
}

/// <summary>What the tar file of the data directory holds besides the data.</summary>
/// <param name="IncludesWal">Whether the WAL that it needs is taken from <c>pg_wal</c>.</param>
internal sealed record BaseShape(bool IncludesWal)
{
    /// <summary>Behind the name of <c>global/pg_control</c>, so that no server starts on what is not complete.</summary>
    public string ControlSuffix { get; init; } = "";

    /// <summary>Makes the <c>tablespace_map</c> out of the one of <c>pg_backup_stop</c>; null takes that.</summary>
    public Func<string, string>? TablespaceMap { get; init; }

    public IReadOnlyList<string> EmptyFiles { get; init; } = [];
}
