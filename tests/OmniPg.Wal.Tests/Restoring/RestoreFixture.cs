using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Restoring;

/// <summary>Two archive directories and a data directory, with short forms for filling and restoring.</summary>
internal sealed class RestoreFixture : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public RestoreFixture()
    {
        Directory.CreateDirectory(_root.Combine("data", "pg_wal"));
        foreach (var archive in (string[])[First, Second])
            Begin(archive);
        File.WriteAllText(_root.Combine("data", "PG_VERSION"), "15\n");
    }

    public string First => _root.Combine("first");

    public string Second => _root.Combine("second");

    public string Data => _root.Combine("data");

    public string Target => _root.Combine("data", "pg_wal", "RECOVERYXLOG");

    public string Spool => _root.Combine("spool");

    public FakeLoggerFactory Logs { get; } = new();

    public IEnumerable<string> FilesBesideTarget => Directory.EnumerateFileSystemEntries(_root.Combine("data", "pg_wal")).Select(f => Path.GetFileName(f)!);

    public string Combine(params string[] parts) => _root.Combine(parts);

    public WalRestoreOptions Options(params string[] sources)
    {
        string[] all = sources.Length == 0 ? [First] : sources;
        return new WalRestoreOptions { DataDirectory = Data, RetryTimeout = TimeSpan.Zero, Sources = [.. all.Select(WalRestoreSource.Directory)] };
    }

    public WalRestorer Restorer(WalRestoreOptions options, TimeProvider? time = null) => new(options, Logs, time);

    public Task<WalRestoreResult> RestoreAsync(WalFileName name, WalRestoreOptions? options = null) =>
        Restorer(options ?? Options()).RestoreAsync(name.ToString(), "pg_wal/RECOVERYXLOG", TestContext.Current.CancellationToken);

    /// <summary>An archive that holds nothing but its marker.</summary>
    public static string Begin(string directory)
    {
        Directory.CreateDirectory(directory);
        var marker = new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 };
        marker.WriteAsync(new DirectoryObjectStore(directory), TestContext.Current.CancellationToken).GetAwaiter().GetResult();
        return directory;
    }

    /// <summary>Puts a file into an archive, compressed.</summary>
    public static string Put(string directory, WalFileName name, byte[] content, Codec codec, WalLayout layout = WalLayout.Flat)
    {
        var path = Path.Combine(directory, WalObjectKey.For(name, layout, codec));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var sink = codec.Compress(File.Create(path));
        sink.Write(content);
        return path;
    }

    public static Task UntilAsync(Func<bool> condition, string what) =>
        Eventually.TrueAsync(condition, what, cancellationToken: TestContext.Current.CancellationToken);

    public void Dispose() => _root.Dispose();
}
