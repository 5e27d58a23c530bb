using System.Diagnostics;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// Kills the receiver, and every fourth time its server, under load and at moments by chance: while it connects, receives, flushes, renames, delivers. After each kill every byte that the server was told
/// of is here and is the server's; in the end every segment from the first to the last is, without a gap.
/// </summary>
internal sealed class ReceiverKills : IAsyncDisposable
{
    private const int SegmentBytes = 1 << 20;
    private const string Slot = "killed";
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private readonly ServerCommand _program = ServerCommand.Prepare("omnipg-wal");
    private readonly CancellationToken _cancellation;
    private readonly Random _random;
    private PgCluster _server = null!;
    private Task<string> _messages = Task.FromResult("");
    private ulong _begun;

    private ReceiverKills(int seed, CancellationToken cancellationToken) => (_random, _cancellation) = (new Random(seed), cancellationToken);

    private string Into => _root.Combine("wal");

    private string Archive => _root.Combine("archive");

    /// <summary>Kills so often.</summary>
    /// <returns>Per kill: what was killed, and what was not as it must be; null when all was. The last one tells of the end.</returns>
    public static async Task<IReadOnlyList<(string Killed, string? Fault)>> RunAsync(int kills, int seed, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        var run = new ReceiverKills(seed, cancellationToken);
        await using var closing = run;
        await run.BeginAsync();
        var results = new List<(string, string?)>();
        for (var kill = 1; kill <= kills; kill++)
        {
            var isOfServer = kill % 4 == 0;
            await run.LoadAndKillAsync(isOfServer, isSynchronous: kill % 2 == 0, isStarting: kill % 5 == 1);
            Tell(isOfServer ? "server and receiver" : "receiver", await run.FaultOfToldAsync());
        }

        Tell("nothing any more", await run.EndAsync());
        return results;

        void Tell(string killed, string? fault)
        {
            results.Add((killed, fault));
            log?.Invoke(string.Create(CultureInfo.InvariantCulture, $"{results.Count}: {killed}: {fault ?? "good"}"));
        }
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
        foreach (var folder in (string[])[Into, Archive])
            Directory.CreateDirectory(folder);
        ServerAccount.Own(_root.Path);
        _server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                Durable = true,
                Settings = new Dictionary<string, string> { ["fsync"] = "off", ["wal_level"] = "replica", ["wal_keep_size"] = "4GB", ["max_wal_size"] = "64MB" },
            },
            _cancellation);
        await _server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", _cancellation);
        await _server.ExecuteAsync($"SELECT pg_create_physical_replication_slot('{Slot}', true)", _cancellation);
        _begun = await ToldAsync();
    }

    private async Task LoadAndKillAsync(bool isOfServer, bool isSynchronous, bool isStarting)
    {
        using var receiver = Start(isSynchronous);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_cancellation);
        var load = LoadAsync(stop.Token);
        if (!isStarting)
            await Eventually.TrueAsync(
                () => receiver.HasExited
                    ? throw new InvalidOperationException($"The receiver ended with {receiver.ExitCode}: {_messages.Result}")
                    : _server.ScalarAsync<bool>("SELECT count(*) = 1 FROM pg_stat_replication WHERE state IN ('catchup', 'streaming')", _cancellation),
                "it receives", TimeSpan.FromMinutes(2), _cancellation);
#pragma warning disable CA5394 // A seed, so that a run can be had again.
        await Task.Delay(_random.Next(0, 600), _cancellation);
        if (isOfServer)
        {
            _server.KillHard();
            await Task.Delay(_random.Next(0, 200), _cancellation);
        }
#pragma warning restore CA5394

        if (receiver.HasExited)
            throw new InvalidOperationException($"The receiver ended with {receiver.ExitCode}: {await _messages}");
        receiver.Kill();
        await receiver.WaitForExitAsync(_cancellation);
        await stop.CancelAsync();
        await load;
        if (isOfServer)
            await _server.StartAgainAsync(null, _cancellation);
    }

    private Process Start(bool isSynchronous)
    {
        string[] words = ["receive", "--connection", _server.ConnectionString, "--slot", Slot, "--into", Into, "--dst-local", $"zstd={Archive}", .. isSynchronous ? ["--synchronous"] : (string[])["--flush-interval", "0.01"]];
        var process = Process.Start(ServerAccount.StartInfo(_program.Path, File.Exists(Path.Combine(Into, WalArchiveMarker.Key)) ? words : [.. words, "--begin"]))!;
        _ = process.StandardOutput.ReadToEndAsync(_cancellation);
        _messages = process.StandardError.ReadToEndAsync(_cancellation);
        return process;
    }

    private async Task LoadAsync(CancellationToken stop)
    {
        try
        {
            await using var session = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Pooling = false }.ConnectionString);
            await session.OpenAsync(stop);
            await using var insert = new NpgsqlCommand("INSERT INTO load (filler) SELECT repeat(md5(random()::text), 20) FROM generate_series(1, 200)", session);
            while (true)
                await insert.ExecuteNonQueryAsync(stop);
        }
        catch (Exception ended) when (ended is OperationCanceledException or NpgsqlException)
        {
            // Stopped, or the server was killed.
        }
    }

    /// <summary>What the slot holds no more was confirmed, so it must be here; and all that is here must be the server's.</summary>
    private async Task<string?> FaultOfToldAsync()
    {
        var told = await ToldAsync();
        if (told == _begun)
            return null;
        var size = WalSegmentSize.FromBytes(SegmentBytes);
        for (var name = WalFileName.ForLsn(1, new(_begun), size); (ulong)name.StartLsn(size) < told; name = name.Next(size))
        {
            var end = (int)Math.Min(SegmentBytes, told - (ulong)name.StartLsn(size));
            if (await ReadAsync(name) is not { } here)
                return $"'{name}' is not here, and the server was told of '{new NpgsqlLogSequenceNumber(told)}'";
            var there = await File.ReadAllBytesAsync(Path.Combine(_server.DataDirectory, "pg_wal", name.ToString()), _cancellation);
            if (here.AsSpan(0, end).CommonPrefixLength(there.AsSpan(0, end)) is var same && same < end)
                return $"'{name}' differs at offset {same} of {end}";
        }

        return null;
    }

    /// <summary>Where the slot stands: behind what was confirmed last, and before that where it was made.</summary>
    private async Task<ulong> ToldAsync() =>
        (ulong)NpgsqlLogSequenceNumber.Parse(await _server.ScalarAsync<string>($"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '{Slot}'", _cancellation));

    private async Task<string?> EndAsync()
    {
        using var receiver = Start(isSynchronous: true);
        var last = await _server.ScalarAsync<string>("SELECT pg_walfile_name(pg_create_restore_point('end'))", _cancellation);
        await _server.ExecuteAsync("SELECT pg_switch_wal()", _cancellation);
        await Eventually.TrueAsync(
            () => receiver.HasExited ? throw new InvalidOperationException($"The receiver ended with {receiver.ExitCode}: {_messages.Result}") : File.Exists(Path.Combine(Archive, last + ".zst")),
            $"'{last}' is delivered", TimeSpan.FromSeconds(120), _cancellation);
        receiver.Kill();
        await receiver.WaitForExitAsync(_cancellation);
        if (await FaultOfToldAsync() is { } fault)
            return fault;
        var verified = await new WalRepository(new DirectoryObjectStore(Archive)).VerifyAsync(cancellationToken: _cancellation);
        return verified is { IsGood: true, Gaps.Count: 0 } ? null : $"the archive: {string.Join(' ', verified.Problems)} {string.Join(' ', verified.Gaps)}";
    }

    /// <summary>A segment from where it is: under way, complete, or delivered.</summary>
    private async Task<byte[]?> ReadAsync(WalFileName name)
    {
        foreach (var path in (string[])[Path.Combine(Into, name.ToString()), Path.Combine(Into, $"{name}.partial")])
            if (File.Exists(path))
                return await File.ReadAllBytesAsync(path, _cancellation);
        await using var delivered = await WalContent.OpenReadAsync(new DirectoryObjectStore(Archive), $"{name}.zst", _cancellation);
        if (delivered is null)
            return null;
        using var content = new MemoryStream();
        await delivered.CopyToAsync(content, _cancellation);
        return content.ToArray();
    }
}
