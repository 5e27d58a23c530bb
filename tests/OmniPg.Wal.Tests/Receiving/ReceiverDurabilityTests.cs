using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>The receiver's system calls as the kernel sees them: what the server is told lies on the disk before.</summary>
[Collection(nameof(ReceiveCollection))]
public sealed partial class ReceiverDurabilityTests(ReceiveScene scene) : IDisposable
{
    private const int SegmentBytes = 1 << 20;
    private const int Terminate = 15;
    private readonly TemporaryDirectory _root = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string TraceFile => _root.Combine("trace");

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData("--synchronous")]
    [InlineData("--flush-interval", "0.01")]
    public async Task The_server_is_told_of_nothing_that_is_not_flushed_and_of_no_segment_whose_name_is_not(params string[] words)
    {
        Assert.SkipUnless(FailingWrites.IsPossible, "strace is not installed, or may not trace here.");
        var options = scene.Options();
        using (var receiver = Start(options, ["--seccomp-bpf", "-e", "trace=pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat,sendto,sendmsg"], ["--create-slot", .. words]))
        {
            await StreamsAsync(receiver, options);
            await ReceiveScene.LoadAsync(scene.Server, 4);
            var end = await scene.Server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", Token);
            await Eventually.TrueAsync(
                () => receiver.HasExited || ToldAsync(options.Slot, end).GetAwaiter().GetResult(), "the server is told of all", TimeSpan.FromSeconds(60), Token);
            await EndAsync(receiver);
        }

        var order = new DurabilityOrder();
        foreach (var line in await File.ReadAllLinesAsync(TraceFile, Token))
            order.Take(line);
        await DropSlotAsync(options);

        order.Faults.Should().BeEmpty();
        order.Confirmations.Should().BeGreaterThan(3);
        order.Segments.Should().BeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task A_flush_that_fails_confirms_nothing_until_another_one_of_the_whole_segment_succeeds()
    {
        Assert.SkipUnless(FailingWrites.IsPossible, "strace is not installed, or may not trace here.");
        var options = scene.Options();
        await using (var running = await scene.StartAsync(options))
        {
            await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
            await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('before')", Token);
            await running.CaughtUpAsync();
            await running.StopAsync();
            var partial = Directory.GetFiles(options.Directory, "*.partial").Should().ContainSingle().Which;
            await FreeAsync(options.Slot);
            var confirmed = await ConfirmedAsync(options.Slot);
            // The first flush of the file is that of its making. Every call stops: with a filter of the kernel strace does not count.
            using var receiver = Start(options, ["-P", partial, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=2+"], ["--synchronous"]);

            await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('on a bad disk')", Token);
            await Eventually.TrueAsync(
                () => receiver.HasExited || Messages().Contains("Input/output error", StringComparison.Ordinal), "the flush fails", TimeSpan.FromSeconds(60), Token);
            var failed = await ConfirmedAsync(options.Slot);
            var told = await scene.Server.ScalarAsync<bool>($"SELECT coalesce(bool_and(flush_lsn IS NULL OR flush_lsn <= '{confirmed}'), true) FROM pg_stat_replication WHERE application_name = '{options.Slot}'", Token);
            var isRunning = !receiver.HasExited;
            await EndAsync(receiver);
            await using var healed = await scene.StartAsync(options);
            await healed.CaughtUpAsync();
            var last = await healed.SwitchAsync();

            (isRunning, failed, told).Should().Be((true, confirmed, true), Messages());
            File.ReadAllBytes(Path.Combine(options.Directory, last)).AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, last)).Should().BeTrue();
        }
    }

    // The shell makes the file.
    private string Messages() => File.Exists(_root.Combine("err")) ? File.ReadAllText(_root.Combine("err")) : "";

    private Process Start(WalReceiverOptions options, string[] trace, string[] words)
    {
        var program = Path.Combine(BuiltProgram.DirectoryOf("omnipg-wal"), "omnipg-wal");
        string[] call = ["-f", "-qq", "-y", "-x", "-s", "64", "-o", TraceFile, .. trace, program, "receive", "--connection", scene.Connection, "--slot", options.Slot, "--into", options.Directory, .. words];
        return Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec strace \"$@\" </dev/null >/dev/null 2>\"$0\"", _root.Combine("err"), .. call]))!;
    }

    private Task StreamsAsync(Process receiver, WalReceiverOptions options) => Eventually.TrueAsync(
        () => receiver.HasExited ? throw new InvalidOperationException(Messages()) : scene.Server.ScalarAsync<bool>(
            $"SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '{options.Slot}' AND state = 'streaming')", Token),
        "WAL flows", TimeSpan.FromSeconds(60), Token);

    private static async Task EndAsync(Process tracer)
    {
        foreach (var receiver in ProcessTree.ChildrenOf(tracer.Id))
            ServerAccount.Signal(receiver, Terminate);
        await tracer.WaitForExitAsync(Token);
        tracer.ExitCode.Should().Be(128 + Terminate);
    }

    private Task<bool> ToldAsync(string slot, string end) =>
        scene.Server.ScalarAsync<bool>($"SELECT coalesce(bool_or(flush_lsn >= '{end}'), false) FROM pg_stat_replication WHERE application_name = '{slot}'", Token);

    private Task<string> ConfirmedAsync(string slot) => scene.Server.ScalarAsync<string>($"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '{slot}'", Token);

    // What the server heard last it has taken by then.
    private Task FreeAsync(string slot) =>
        Eventually.TrueAsync(() => scene.Server.ScalarAsync<bool>($"SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{slot}'", Token), "the slot is free", TimeSpan.FromSeconds(60), Token);

    private async Task DropSlotAsync(WalReceiverOptions options)
    {
        await FreeAsync(options.Slot);
        await scene.Server.ExecuteAsync($"SELECT pg_drop_replication_slot('{options.Slot}')", Token);
    }

    /// <summary>Follows writes, flushes and renames of segments, and what the server is told.</summary>
    private sealed partial class DurabilityOrder
    {
        private readonly Dictionary<string, string> _unfinished = [];
        private readonly Dictionary<string, ulong> _written = [];
        private readonly Dictionary<string, ulong> _durable = [];
        private ulong _flushed;
        private ulong? _unnamed;

        public List<string> Faults { get; } = [];

        public int Confirmations { get; private set; }

        public int Segments { get; private set; }

        public void Take(string line)
        {
            var at = line.IndexOf(' ', StringComparison.Ordinal);
            var (thread, call) = (line[..at], line[at..].TrimStart());
            // What is told counts from its beginning, everything else from its end.
            if (Told().Match(call) is { Success: true } told)
                Confirm(told.Groups[1].Value);
            if (call.EndsWith("<unfinished ...>", StringComparison.Ordinal))
            {
                _unfinished[thread] = call[..^"<unfinished ...>".Length];
                return;
            }

            if (Resumed().Match(call) is { Success: true } resumed && _unfinished.Remove(thread, out var begun))
                call = begun.TrimEnd() + resumed.Groups[1].Value;
            if (Write().Match(call) is { Success: true } write)
                _written[write.Groups[1].Value] = EndOf(write.Groups[1].Value, Number(write, 2) + Number(write, 3));
            else if (Flush().Match(call) is { Success: true } flush)
                Flushed(flush.Groups[1].Value);
            else if (Rename().Match(call) is { Success: true } rename)
                Renamed(rename.Groups[1].Value);
        }

        private void Flushed(string path)
        {
            if (!path.EndsWith(".partial", StringComparison.Ordinal))
            {
                // The directory, or a file that is none of WAL.
                if (!Path.HasExtension(path))
                    _unnamed = null;
                return;
            }

            if (!_written.TryGetValue(path, out var end))
                return;
            _durable[path] = end;
            _flushed = Math.Max(_flushed, end);
        }

        private void Renamed(string path)
        {
            Segments++;
            var end = EndOf(path, SegmentBytes);
            if (_durable.GetValueOrDefault(path) != end)
                Faults.Add($"'{path}' got its name before all of it was flushed");
            _unnamed = end;
        }

        private void Confirm(string hex)
        {
            // CopyData 'd', its length, then 'r' and the positions written and flushed (protocol-replication.html, Standby status update).
            var flushed = BinaryPrimitives.ReadUInt64BigEndian(Convert.FromHexString(hex.Replace("\\x", "", StringComparison.Ordinal)).AsSpan(8));
            if (flushed > 0)
                Confirmations++;
            if (flushed > _flushed)
                Faults.Add($"'{new NpgsqlLogSequenceNumber(flushed)}' was confirmed, and '{new NpgsqlLogSequenceNumber(_flushed)}' was flushed");
            if (_unnamed is { } end && flushed >= end)
                Faults.Add($"'{new NpgsqlLogSequenceNumber(flushed)}' was confirmed before the name of its segment was flushed");
        }

        private static ulong EndOf(string path, long offset) =>
            (ulong)WalFileName.Parse(Path.GetFileName(path.AsSpan())[..24]).StartLsn(WalSegmentSize.FromBytes(SegmentBytes)) + (ulong)offset;

        private static long Number(Match match, int group) => long.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

        [GeneratedRegex(@"^send(?:to|msg)\(.*\\x64\\x00\\x00\\x00\\x26\\x72((?:\\x[0-9a-f]{2}){16})")]
        private static partial Regex Told();

        [GeneratedRegex(@"^<\.\.\. \w+ resumed>(.*)$")]
        private static partial Regex Resumed();

        [GeneratedRegex(@"^pwrite64\(\d+<([^>]+\.partial)>.*, \d+, (\d+)\)\s+= (\d+)$")]
        private static partial Regex Write();

        [GeneratedRegex(@"^f(?:data)?sync\(\d+<([^>]+)>\)\s+= 0$")]
        private static partial Regex Flush();

        [GeneratedRegex("^(?:rename|link)(?:at)?2?\\(.*?\"([^\"]+\\.partial)\".*\\)\\s+= 0$")]
        private static partial Regex Rename();
    }
}
