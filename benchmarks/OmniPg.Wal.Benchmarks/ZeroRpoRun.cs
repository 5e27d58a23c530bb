using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// Is every acknowledged commit there when server and receiver die at once? A server with the receiver in <c>synchronous_standby_names</c>, four sessions that insert
/// ids and note which were acknowledged, SIGKILL of both, a restore from the base backup and what was received; then both go on until the next kill.
/// </summary>
internal sealed class ZeroRpoRun : IAsyncDisposable
{
    private const int Sessions = 4;
    private const string Slot = "zero_rpo";
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private readonly ServerCommand _program = ServerCommand.Prepare("omnipg-wal");
    private readonly ConcurrentQueue<int> _acknowledged = [];
    private readonly CancellationToken _cancellation;
    private readonly Random _random;
    private PgCluster _server = null!;
    private DirectoryObjectStore _backups = null!;
    private int _lastId;

    private ZeroRpoRun(int seed, CancellationToken cancellationToken) => (_random, _cancellation) = (new Random(seed), cancellationToken);

    private string Into => _root.Combine("wal");

    /// <summary>Kills and restores a number of times.</summary>
    /// <returns>Per kill: the ids acknowledged so far, and those of them that the restored server lacked.</returns>
    public static async Task<IReadOnlyList<(int Acknowledged, int[] Lost)>> RunAsync(int kills, int seed, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        var run = new ZeroRpoRun(seed, cancellationToken);
        await using var closing = run;
        await run.BeginAsync();
        var results = new List<(int, int[])>();
        for (var kill = 1; kill <= kills; kill++)
        {
            await run.LoadAndKillAsync(waitsForServer: kill == 1);
            var lost = await run.RestoreAndCompareAsync();
            results.Add((run._acknowledged.Count, lost));
            log?.Invoke(string.Create(CultureInfo.InvariantCulture, $"kill {kill}: {run._acknowledged.Count} acknowledged, {lost.Length} lost{(lost.Length > 0 ? ": " + string.Join(' ', lost.Take(20)) : "")}"));
            await run._server.StartAgainAsync(null, cancellationToken);
        }

        return results;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _program.Dispose();
        _root.Dispose();
    }

    private async Task BeginAsync()
    {
        Directory.CreateDirectory(Into);
        _backups = new DirectoryObjectStore(Directory.CreateDirectory(_root.Combine("backups")).FullName);
        ServerAccount.Own(_root.Path);
        _server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                // A killed process loses nothing that it has written: full pages and confirmations are what counts here, not the disk of the server.
                Durable = true,
                Settings = new Dictionary<string, string> { ["synchronous_commit"] = "on", ["fsync"] = "off", ["wal_level"] = "replica" },
            },
            _cancellation);
        await _server.ExecuteAsync("CREATE TABLE acked (id int PRIMARY KEY, filler text)", _cancellation);
        var control = await PgControlFile.ReadAsync(_server.DataDirectory, cancellationToken: _cancellation);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = _server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(_backups, _cancellation);
        // The slot first, so that nothing after the backup is missing.
        await _server.ExecuteAsync($"SELECT pg_create_physical_replication_slot('{Slot}', true)", _cancellation);
        await new BaseBackup(_server.DataSource, _backups).RunAsync(cancellationToken: _cancellation);
        await _server.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '{Slot}'", _cancellation);
        // Whether commits wait is decided by the checkpointer (UpdateSharedMemoryConfig), some time after a reload; from a start on they do.
        await _server.RestartAsync(_cancellation);
    }

    private async Task LoadAndKillAsync(bool waitsForServer)
    {
        string[] words = ["receive", "--connection", _server.ConnectionString, "--slot", Slot, "--into", Into, "--synchronous", .. waitsForServer ? ["--begin"] : Array.Empty<string>()];
        using var receiver = Process.Start(ServerAccount.StartInfo(_program.Path, words))!;
        var before = _acknowledged.Count;
        var writers = Enumerable.Range(0, Sessions).Select(_ => Task.Run(WriteAsync, _cancellation)).ToArray();
        await Eventually.TrueAsync(
            () => receiver.HasExited ? throw new InvalidOperationException($"The receiver ended with {receiver.ExitCode}.") : _acknowledged.Count > before + 20,
            "commits are acknowledged", TimeSpan.FromMinutes(2), _cancellation);
        await Task.Delay(_random.Next(0, 400), _cancellation);
        if (_random.Next(2) == 0)
        {
            receiver.Kill();
            _server.KillHard();
        }
        else
        {
            _server.KillHard();
            receiver.Kill();
        }

        await receiver.WaitForExitAsync(_cancellation);
        await Task.WhenAll(writers);
    }

    private async Task WriteAsync()
    {
        try
        {
            await using var session = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Pooling = false }.ConnectionString);
            await session.OpenAsync(_cancellation);
            await using var insert = new NpgsqlCommand("INSERT INTO acked VALUES ($1, repeat('x', $2))", session) { CommandTimeout = 0, Parameters = { new() { Value = 0 }, new() { Value = 0 } } };
            while (true)
            {
                var id = Interlocked.Increment(ref _lastId);
                (insert.Parameters[0].Value, insert.Parameters[1].Value) = (id, id % 1500);
                await insert.ExecuteNonQueryAsync(_cancellation);
                _acknowledged.Enqueue(id);
            }
        }
        catch (NpgsqlException)
        {
            // The server was killed; this insert was not acknowledged.
        }
    }

    private async Task<int[]> RestoreAndCompareAsync()
    {
        var folder = _root.Combine("restored-" + Path.GetRandomFileName());
        var command = _program.Line("restore", "--timeout", "1", "--use-partial", "--source", Into, "%f", "%p");
        await new BackupRestore(_backups, new BackupRestoreOptions { RestoreCommand = command, TargetAction = "promote" }).RunAsync(folder, cancellationToken: _cancellation);
        ServerAccount.Own(folder);
        var settings = new Dictionary<string, string> { ["archive_mode"] = "off", ["synchronous_standby_names"] = "" };
        await using var restored = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = folder, Settings = settings }, _cancellation);
        await Eventually.TrueAsync(() => restored.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", _cancellation), "the recovery ends", TimeSpan.FromSeconds(120), _cancellation);
        var found = (await restored.ScalarAsync<int[]>("SELECT coalesce(array_agg(id), '{}') FROM acked", _cancellation)).ToHashSet();
        return [.. _acknowledged.Where(id => !found.Contains(id)).Order()];
    }
}
