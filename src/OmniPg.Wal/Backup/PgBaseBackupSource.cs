using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.Logging;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>
/// The server's own base backup, which <c>pg_basebackup</c> fetches over a replication connection: without tablespaces through a pipe, which nothing but the pump holds up, else by tar files in a staging folder. The
/// session beside it tells who the server is; what was copied is told by the label, the control file and the manifest in the tar file itself.
/// </summary>
/// <param name="session">A session with the same server.</param>
/// <param name="options">Of the backup.</param>
/// <param name="log">Told what the program says.</param>
internal sealed class PgBaseBackupSource(BackupSession session, BaseBackupOptions options, ILogger log) : IBackupSource
{
    private const string BaseTar = "base.tar";
    private static readonly string ControlPath = PgControlFile.RelativePath.Replace('\\', '/');
    private static readonly HashSet<string> Kept = [ClusterFiles.LabelFile, ClusterFiles.MapFile, BackupManifest.FileName, ControlPath];
    private IReadOnlyList<BackupTablespace> _tablespaces = [];
    private string _program = "";
    private Dictionary<string, string?> _variables = [];
    private PgControlFile _control = null!;
    private uint _timeline;

    public ServerFacts Facts { get; private set; } = null!;

    public NpgsqlLogSequenceNumber Start { get; private set; }

    public BackupEnd? End { get; private set; }

    public int SegmentSize => _control.SegmentSize;

    public int Files { get; private set; }

    // What the server skips or fills up it does not tell.
    public long Vanished => 0;

    public long Shortened => 0;

    public long DamagedPages { get; private set; }

    public byte[] ManifestContent { get; private set; } = [];

    public async Task LookAsync(CancellationToken cancellationToken)
    {
        Facts = await session.AskAsync(cancellationToken).ConfigureAwait(false);
        var (role, mayReplicate) = await session.RoleAsync(cancellationToken).ConfigureAwait(false);
        if (!mayReplicate)
            throw new WalBackupException("wal.backup.privilege", $"The role '{role}' may not copy the cluster: it lacks the attribute REPLICATION.", $"ALTER ROLE {PgIdentifier.Create(role)} REPLICATION;");
        _variables = session.Variables(role, options.Password);
        var (program, tried) = await ServerPrograms.FindAsync("pg_basebackup", session.PgVersion, v => v >= session.PgVersion, options.BinDirectory, cancellationToken).ConfigureAwait(false);
        _program = program ?? throw new WalBackupException(
            "wal.backup.program", $"No pg_basebackup of PostgreSQL {session.PgVersion} or later was found, which the server is.", $"Install it, or name its folder. Looked at: {string.Join(", ", tried)}.");
        _tablespaces = await session.TablespacesAsync(cancellationToken).ConfigureAwait(false);
        if (_tablespaces.FirstOrDefault(t => !Path.IsPathFullyQualified(t.Location)) is { } inPlace)
            throw new WalBackupException("wal.backup.tablespace", $"The tablespace '{inPlace.Oid}' is one in place, which pg_basebackup tells as a folder elsewhere.", "Use the method of files on the server's machine.");
        if (_tablespaces.Count > 0 && options.StagingDirectory is null)
        {
            throw new WalBackupException(
                "wal.backup.tablespace", $"The cluster has tablespaces ({string.Join(", ", _tablespaces.Select(t => $"'{t.Location}'"))}), and pg_basebackup writes no more than one folder into a pipe.",
                "Name a staging folder with room for the whole cluster ('--staging'), or use the method of files on the server's machine.");
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        session.Watch();
        return Task.CompletedTask;
    }

    public IReadOnlyList<BackupTablespace> Tablespaces() => _tablespaces;

    public async IAsyncEnumerable<(uint Tablespace, ICopySource Tar)> ReadAsync(
        IReadOnlyList<BackupTablespace> tablespaces, bool includesWal, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (tablespaces.Count > 0)
        {
            using var staging = BackupStaging.Open(options.StagingDirectory!);
            await FetchAsync(staging, includesWal, cancellationToken).ConfigureAwait(false);
            foreach (var tablespace in tablespaces)
            {
                var tar = staging.Read($"{tablespace.Oid}.tar");
                await using (tar.ConfigureAwait(false))
                    yield return (tablespace.Oid, new ServerTar(tar, null, Kept, null));
            }

            var staged = staging.Read(BaseTar);
            await using (staged.ConfigureAwait(false))
            {
                var (length, tail) = staging.TailOf(staged);
                var tar = new ServerTar(staged, length, Kept, ValidatorOf(includesWal)) { Tail = tail };
                yield return (0, tar);
                await FinishAsync(tar, tablespaces, includesWal, cancellationToken).ConfigureAwait(false);
            }
        }
        else
        {
            var run = PgBaseBackupRun.Start(_program, "-", _variables, options, includesWal, log);
            await using var closing = run.ConfigureAwait(false);
            using var stopping = cancellationToken.Register(run.Kill);
            var tar = new ServerTar(run.Output, null, Kept, ValidatorOf(includesWal)) { AtEnd = token => EndAsync(run, token) };
            yield return (0, tar);
            await FinishAsync(tar, tablespaces, includesWal, cancellationToken).ConfigureAwait(false);
        }
    }

    public BackupWal Wal() => new(Facts.SystemIdentifier, session.PgVersion, WalSegmentSize.FromBytes(SegmentSize), _timeline, Start, End!.StopLsn);

    private async Task FetchAsync(BackupStaging staging, bool includesWal, CancellationToken cancellationToken)
    {
        var run = PgBaseBackupRun.Start(_program, staging.Folder, _variables, options, includesWal, log);
        await using var closing = run.ConfigureAwait(false);
        using var stopping = cancellationToken.Register(run.Kill);
        // Nothing comes that way, but the end of it.
        await run.Output.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        await EndAsync(run, cancellationToken).ConfigureAwait(false);
    }

    private async Task EndAsync(PgBaseBackupRun run, CancellationToken cancellationToken)
    {
        await run.EndAsync(cancellationToken).ConfigureAwait(false);
        DamagedPages = run.DamagedPages;
        if (DamagedPages > 0)
            BackupLog.DamagedByServer(log, DamagedPages);
    }

    private Func<WalFileName, WalSegmentValidator>? ValidatorOf(bool includesWal) => !includesWal ? null : name =>
        new WalSegmentValidator(name, WalValidation.Full, new WalExpectations { SystemIdentifier = Facts.SystemIdentifier, PgMajor = session.PgVersion }.WithUnknownVersions());

    /// <summary>Learns from the tar file of the data directory what backup it is.</summary>
    private async Task FinishAsync(ServerTar tar, IReadOnlyList<BackupTablespace> tablespaces, bool includesWal, CancellationToken cancellationToken)
    {
        try
        {
            _control = PgControlFile.Parse(Require(tar, ControlPath), ControlPath);
            var label = BackupLabel.Parse(Encoding.UTF8.GetString(Require(tar, ClusterFiles.LabelFile)));
            ManifestContent = Require(tar, BackupManifest.FileName);
            (Files, var stop) = BackupManifest.EndOf(ManifestContent);
            (Start, _timeline) = (label.StartLsn, label.StartTimeline ?? _control.Timeline);
            var map = Encoding.UTF8.GetString(tar.Kept(ClusterFiles.MapFile) ?? []);
            End = new BackupEnd(stop, "", map, await session.NowAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (Exception unreadable) when (unreadable is InvalidDataException or WalControlFileException or WalValidationException)
        {
            throw ServerTar.Unusable(unreadable.Message, unreadable);
        }

        if (_control.SystemIdentifier != Facts.SystemIdentifier)
        {
            throw new WalBackupException(
                "wal.backup.other-server", $"pg_basebackup reached another server: it brought system '{_control.SystemIdentifier}', the session is with system '{Facts.SystemIdentifier}'.", "Name one host, and connect without a pooler.");
        }

        // Each line of the map is an oid and a folder, in which an end of line is quoted; what was made or dropped since has a line more or less.
        if (End.TablespaceMap.Replace("\\\n", "", StringComparison.Ordinal).Count(c => c == '\n') != tablespaces.Count)
            throw new WalBackupException("wal.backup.tablespace", "A tablespace was made or dropped while the backup began.", "Begin again.");
        var missing = includesWal ? Wal().Segments.Where(name => !tar.Segments.Contains(name)).ToList() : [];
        if (missing is [var first, ..])
            throw BackupWal.Missing(first, "did not come from the server");
    }

    private static byte[] Require(ServerTar tar, string path) => tar.Kept(path) ?? throw ServerTar.Unusable($"It holds no '{path}'.");
}
