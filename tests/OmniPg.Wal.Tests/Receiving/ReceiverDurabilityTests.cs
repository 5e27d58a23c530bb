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
        string[] trace = ["-f", "--seccomp-bpf", "-qq", "-y", "-x", "-s", "64", "-o", TraceFile, "-e", "trace=pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat,sendto,sendmsg"];
        using (var receiver = Run(["strace", .. trace, Program, .. Words(options), "--create-slot", .. words]))
        {
            await StreamsAsync(receiver, options);
            await ReceiveScene.LoadAsync(scene.Server, 4);
            await ToldAllAsync(receiver, options);
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
        using var receiver = Run([Program, .. Words(options), "--create-slot", "--synchronous"]);
        try
        {
            await StreamsAsync(receiver, options);
            await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('before')", Token);
            await ToldAllAsync(receiver, options);
            var partial = Directory.GetFiles(options.Directory, "*.partial").Max(StringComparer.Ordinal)!;
            using (var disk = Run(["strace", "-f", "-qq", "-o", "/dev/null", "-P", partial, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "-p", $"{receiver.Id}"]))
            {
                await Eventually.TrueAsync(() => disk.HasExited || IsTraced(receiver.Id), "the disk is bad", TimeSpan.FromSeconds(60), Token);
                // Everything so far; a confirmation of it may still be under way.
                var before = await scene.Server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", Token);
                await scene.Server.ExecuteAsync("INSERT INTO load (filler) VALUES ('on a bad disk')", Token);
                await Eventually.TrueAsync(() => receiver.HasExited || Messages().Contains("Input/output error", StringComparison.Ordinal), "the flush fails", TimeSpan.FromSeconds(60), Token);

                receiver.HasExited.Should().BeFalse(Messages());
                (await scene.Server.ScalarAsync<bool>($"SELECT restart_lsn <= '{before}' FROM pg_replication_slots WHERE slot_name = '{options.Slot}'", Token)).Should().BeTrue(Messages());
                (await scene.Server.ScalarAsync<bool>($"SELECT coalesce(bool_and(flush_lsn IS NULL OR flush_lsn <= '{before}'), true) FROM pg_stat_replication WHERE application_name = '{options.Slot}'", Token)).Should().BeTrue();
                ServerAccount.Signal(disk.Id, Terminate);
                await disk.WaitForExitAsync(Token);
            }

            await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
            await ToldAllAsync(receiver, options);
            var name = Path.GetFileNameWithoutExtension(partial);
            File.ReadAllBytes(Path.Combine(options.Directory, name)).AsSpan().SequenceEqual(ReceiveScene.Original(scene.Server, name)).Should().BeTrue();
        }
        finally
        {
            ServerAccount.Signal(receiver.Id, Terminate);
            await receiver.WaitForExitAsync(CancellationToken.None);
            await DropSlotAsync(options);
        }
    }

    private static string Program => Path.Combine(BuiltProgram.DirectoryOf("omnipg-wal"), "omnipg-wal");

    private string[] Words(WalReceiverOptions options) => ["receive", "--connection", scene.Connection, "--slot", options.Slot, "--into", options.Directory];

    // Each thread of it (proc(5)).
    private static bool IsTraced(int process)
    {
        try
        {
            return Directory.GetDirectories($"/proc/{process}/task").All(t => File.ReadLines(Path.Combine(t, "status")).Any(l => l.StartsWith("TracerPid:", StringComparison.Ordinal) && l.Trim()[^2..] != "\t0"));
        }
        catch (IOException)
        {
            // A thread ended between the list and the look.
            return false;
        }
    }

    // A program with its messages in a file.
    private Process Run(string[] call) => Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" </dev/null >/dev/null 2>>\"$0\"", _root.Combine("err"), .. call]))!;

    private async Task ToldAllAsync(Process receiver, WalReceiverOptions options)
    {
        var end = await scene.Server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", Token);
        await Eventually.TrueAsync(
            () => receiver.HasExited ? throw new InvalidOperationException(Messages()) : scene.Server.ScalarAsync<bool>(
                $"SELECT coalesce(bool_or(flush_lsn >= '{end}'), false) FROM pg_stat_replication WHERE application_name = '{options.Slot}'", Token),
            "the server is told of all", TimeSpan.FromSeconds(60), Token);
    }

    // The shell makes the file.
    private string Messages() => File.Exists(_root.Combine("err")) ? File.ReadAllText(_root.Combine("err")) : "";

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
