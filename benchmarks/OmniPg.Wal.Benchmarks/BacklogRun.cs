using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// How fast is a backlog archived? A loop stands in for the server's archiver: one command per segment, in order, <c>.ready</c> becomes <c>.done</c>
/// when it succeeded. All cases store zstd 3 into a directory on the same disk.
/// </summary>
internal sealed class BacklogRun(SegmentSet segments, int count)
{
    private const int ProcessMax = 2;
    private readonly IReadOnlyList<WalFileName> _backlog = segments.Sample(count);
    private readonly string _root = Directory.CreateTempSubdirectory("omnipg-backlog-").FullName;

    private string Status => Path.Combine(segments.WalDirectory, "archive_status");

    /// <summary>Runs every case whose program is there.</summary>
    /// <param name="programs">Path of a published <c>omnipg-wal</c>; without it the resident mode is asked from inside this process.</param>
    /// <param name="rounds">How often.</param>
    public async Task RunAsync(string[] programs, int rounds = 2)
    {
        Console.WriteLine($"| round | case | seconds | segments/s |\n|---|---|---|---|");
        try
        {
            for (var round = 1; round <= rounds; round++)
            {
                var pgBackRest = PgBackRest.TryCreate(Path.Combine(_root, $"pgbackrest-{round}"), segments.DataDirectory, ProcessMax);
                await CaseAsync(round, "resident, asked from inside", ResidentAsync);
                if (programs.Length > 0)
                    await CaseAsync(round, "resident process, one native client per segment", () => ResidentProcessAsync(programs[0]));
                if (pgBackRest is not null)
                    await CaseAsync(round, "pgBackRest async, process-max=2", () => PushAllAsync(pgBackRest.AsyncPush), PgBackRest.WaitUntilIdleAsync);
                if (programs.Length > 0)
                    await CaseAsync(round, "one native process per segment", () => PushAllAsync(OneProcess(programs[0])));
                if (pgBackRest is not null)
                    await CaseAsync(round, "pgBackRest sync", () => PushAllAsync(pgBackRest.SyncPush), PgBackRest.WaitUntilIdleAsync);
            }
        }
        finally
        {
            Directory.Delete(_root, recursive: true);
        }
    }

    private async Task CaseAsync(int round, string name, Func<Task> run, Func<Task>? afterwards = null)
    {
        foreach (var old in Directory.EnumerateFiles(Status))
            File.Delete(old);
        foreach (var file in _backlog)
            File.WriteAllText(Path.Combine(Status, $"{file}.ready"), "");
        var started = Stopwatch.GetTimestamp();
        await run();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        Console.WriteLine(FormattableString.Invariant($"| {round} | {name} | {seconds:0.00} | {_backlog.Count / seconds:0.0} |"));
        if (afterwards is not null)
            await afterwards();
        foreach (var directory in Directory.EnumerateDirectories(_root, "omnipg*"))
            Directory.Delete(directory, recursive: true);
    }

    private Task ResidentAsync() => ResidentAsync(async (options, file) =>
        (await WalResidentClient.TryArchiveAsync(options.SocketPath!, $"pg_wal/{file}")) is { Ok: true });

    // As a server uses it: the program in resident mode, and the program once more for every segment.
    private async Task ResidentProcessAsync(string program)
    {
        var archive = Directory.CreateDirectory(Path.Combine(_root, "omnipg")).FullName;
        var socket = Path.Combine(_root, "socket");
        string[] common = ["--data-dir", segments.DataDirectory, "--socket", socket, "--dst-local", $"zstd:3={archive}"];
        using var resident = Process.Start(
            program, ["resident", .. common, "--spool", Path.Combine(_root, "omnipg-spool"), "--process-max", ProcessMax.ToString(CultureInfo.InvariantCulture)]);
        while (!File.Exists(socket) && !resident.HasExited)
            await Task.Delay(1);
        await PushAllAsync(file => RunAsync(program, ["archive", .. common, $"pg_wal/{file}"]));
        using var stop = Process.Start("/bin/kill", [resident.Id.ToString(CultureInfo.InvariantCulture)]);
        await resident.WaitForExitAsync();
    }

    private async Task ResidentAsync(Func<WalResidentOptions, WalFileName, Task<bool>> push)
    {
        var archive = Directory.CreateDirectory(Path.Combine(_root, "omnipg")).FullName;
        await using var archiver = new WalArchiver(new WalArchiveOptions
        {
            DataDirectory = segments.DataDirectory, Destinations = [new() { Directory = archive, Codec = "zstd", Level = 3 }],
        });
        var options = new WalResidentOptions { SpoolDirectory = Path.Combine(_root, "omnipg-spool"), SocketPath = Path.Combine(_root, "socket"), ProcessMax = ProcessMax };
        using var stop = new CancellationTokenSource();
        var resident = Task.Run(async () =>
        {
            await foreach (var happened in archiver.RunResidentAsync(options, stop.Token))
                if (happened.Error is { } error)
                    throw error;
        });
        while (!File.Exists(options.SocketPath) && !resident.IsCompleted)
            await Task.Delay(1);
        await PushAllAsync(file => push(options, file));
        await stop.CancelAsync();
        await resident;
    }

    private Func<WalFileName, Task<bool>> OneProcess(string program)
    {
        var archive = Directory.CreateDirectory(Path.Combine(_root, "omnipg")).FullName;
        return file => RunAsync(program, "archive", "--data-dir", segments.DataDirectory, "--dst-local", $"zstd:3={archive}", $"pg_wal/{file}");
    }

    private async Task PushAllAsync(Func<WalFileName, Task<bool>> push)
    {
        foreach (var file in _backlog)
        {
            if (!await push(file))
                throw new InvalidOperationException($"'{file}' was not archived.");
            File.Move(Path.Combine(Status, $"{file}.ready"), Path.Combine(Status, $"{file}.done"));
        }
    }

    internal static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        return process.ExitCode == 0;
    }
}
