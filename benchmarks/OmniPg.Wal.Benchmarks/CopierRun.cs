using System.Diagnostics;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What does archiving one segment cost, by codec, validation level and number of destinations, next to libzstd alone and to the usual programs?</summary>
internal sealed class CopierRun(SegmentSet segments)
{
    private const int Count = 8;
    private const int Rounds = 5;
    private readonly IReadOnlyList<WalFileName> _sample = segments.Sample(Count);
    private readonly string _root = Directory.CreateTempSubdirectory("omnipg-copier-").FullName;
    private readonly string _memory = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"omnipg-copier-{Environment.ProcessId}")).FullName;
    private readonly Dictionary<WalFileName, byte[]> _contents = [];
    private readonly List<WalArchiver> _archivers = [];
    private int _archives;

    public async Task RunAsync()
    {
        foreach (var name in _sample)
            _contents[name] = File.ReadAllBytes(segments.PathOf(name));
        try
        {
            var table = new Measured("Copier", Count);
            table.Add("libzstd -1 in memory + write + fsync", () => FloorAsync(publish: false));
            table.Add("the same + rename + fsync of the directory", () => FloorAsync(publish: true));
            foreach (var level in new[] { WalValidation.None, WalValidation.Header, WalValidation.Full })
                table.Add($"zstd:1, one directory, validation {level}", Archiver(level, 1, Codec.Zstd, 1));
            table.Add("zstd:1, three directories, validation Full", Archiver(WalValidation.Full, 3, Codec.Zstd, 1));
            table.Add("zstd:1, one directory in memory, validation None", Archiver(WalValidation.None, 1, Codec.Zstd, 1, _memory));
            table.Add("zstd:1, one directory in memory, validation Full", Archiver(WalValidation.Full, 1, Codec.Zstd, 1, _memory));
            table.Add("zstd:1, three directories in memory, validation Full", Archiver(WalValidation.Full, 3, Codec.Zstd, 1, _memory));
            table.Add("durable publish of 16 MiB into a directory", PublishAsync);
            table.Add("none, one directory, validation Full", Archiver(WalValidation.Full, 1, Codec.None));
            table.Add("lz4, one directory, validation Full", Archiver(WalValidation.Full, 1, Codec.Lz4));
            table.Add("zstd:3, one directory, validation Full", Archiver(WalValidation.Full, 1, Codec.Zstd, 3));
            table.Add("gzip:6, one directory, validation Full", Archiver(WalValidation.Full, 1, Codec.Gzip));
            table.Add("`cp`", () => ProgramAsync("cp {0} {1}"));
            table.Add("`lz4`", () => ProgramAsync("lz4 -q {0} {1}"));
            table.Add("`zstd -1`", () => ProgramAsync("zstd -q -1 {0} -o {1}"));
            table.Add("`zstd -3`", () => ProgramAsync("zstd -q -3 {0} -o {1}"));
            table.Add("`gzip`", () => ProgramAsync("gzip -c {0} > {1}"));
            foreach (var archiver in _archivers)
                await archiver.BeginAsync();
            await table.RunAsync(Rounds, CleanAsync);
        }
        finally
        {
            foreach (var archiver in _archivers)
                await archiver.DisposeAsync();
            Directory.Delete(_root, recursive: true);
            Directory.Delete(_memory, recursive: true);
        }
    }

    // Only what was archived: the archives themselves stay, bound to their cluster, as they are from a server's second segment on.
    private Task CleanAsync()
    {
        foreach (var file in new[] { _root, _memory }.SelectMany(r => Directory.EnumerateFiles(r, "*", SearchOption.AllDirectories)))
            if (Path.GetFileName(file) != WalArchiveMarker.Key)
                File.Delete(file);
        return Task.CompletedTask;
    }

    private async Task ArchiveAsync(WalArchiver archiver)
    {
        foreach (var name in _sample)
            await archiver.ArchiveAsync(segments.PathOf(name));
    }

    private Func<Task> Archiver(WalValidation validation, int destinations, Codec codec, int? level = null, string? root = null)
    {
        var archiver = new WalArchiver(new WalArchiveOptions
        {
            DataDirectory = segments.DataDirectory, Validation = validation, StateDirectory = _root,
            Destinations =
            [
                .. Enumerable.Range(0, destinations).Select(_ => new WalDestinationOptions
                {
                    Directory = Directory.CreateDirectory(Path.Combine(root ?? _root, $"d{_archives++}")).FullName, Codec = codec.Name, Level = level,
                }),
            ],
        });
        _archivers.Add(archiver);
        return () => ArchiveAsync(archiver);
    }

    private Task FloorAsync(bool publish)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_root, "floor")).FullName;
        foreach (var name in _sample)
        {
            var packed = ZstdInMemory.Compress(_contents[name], 1);
            using var file = File.OpenHandle(Path.Combine(directory, name.ToString()), FileMode.CreateNew, FileAccess.Write);
            RandomAccess.Write(file, packed, 0);
            RandomAccess.FlushToDisk(file);
            if (!publish)
                continue;
            File.Move(Path.Combine(directory, name.ToString()), Path.Combine(directory, $"{name}.zst"));
            DurableFile.FlushDirectory(directory);
        }

        return Task.CompletedTask;
    }

    private async Task PublishAsync()
    {
        var store = new DirectoryObjectStore(Directory.CreateDirectory(Path.Combine(_root, "publish")).FullName);
        foreach (var (name, content) in _contents)
        {
            await using var writer = await store.CreateAsync(name.ToString(), new ObjectInfo());
            await writer.WriteAsync(content);
            await writer.CommitAsync(default);
        }
    }

    private async Task ProgramAsync(string command)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_root, "program")).FullName;
        foreach (var name in _sample)
        {
            var line = string.Format(System.Globalization.CultureInfo.InvariantCulture, command, segments.PathOf(name), Path.Combine(directory, name.ToString()));
            using var process = Process.Start("/bin/sh", ["-c", line]);
            await process.WaitForExitAsync();
        }
    }
}
