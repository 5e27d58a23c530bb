using System.Buffers.Binary;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>A data directory with real segments of a real server, and room for archives beside it.</summary>
internal sealed class ArchiveScene : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly WalWorkload _workload;

    public ArchiveScene(WalWorkload workload)
    {
        _workload = workload;
        Directory.CreateDirectory(Path.Combine(DataDirectory, "pg_wal", "archive_status"));
        Directory.CreateDirectory(Path.Combine(DataDirectory, "global"));
        File.WriteAllText(Path.Combine(DataDirectory, "PG_VERSION"), $"{workload.Major}\n");
        WriteControlFile(workload.SystemIdentifier);
        // A young cluster still has its first segment, which proves that nothing was archived before.
        File.WriteAllBytes(Located(WalFileName.Parse("000000010000000000000001")), []);
    }

    public string Root => _directory.Path;

    public string DataDirectory => _directory.Combine("data directory");

    public IReadOnlyList<WalFileName> Segments => _workload.Segments;

    public WalFileName Segment => _workload.Segments[1];

    public ulong SystemIdentifier => _workload.SystemIdentifier;

    public int Major => _workload.Major;

    public static string PathOf(WalFileName file) => $"pg_wal/{file}";

    /// <summary>Puts a segment into <c>pg_wal</c>.</summary>
    /// <returns>The path as PostgreSQL would pass it.</returns>
    public string Add(WalFileName file)
    {
        File.Copy(_workload.PathOf(file), Located(file), overwrite: true);
        File.SetLastWriteTimeUtc(Located(file), new DateTime(2026, 5, 1, 12, 0, 0, DateTimeKind.Utc));
        return PathOf(file);
    }

    public string Add() => Add(Segment);

    public string AddText(string name, string content)
    {
        File.WriteAllText(Located(WalFileName.Parse(name)), content);
        return $"pg_wal/{name}";
    }

    public string Located(WalFileName file) => Path.Combine(DataDirectory, "pg_wal", file.ToString());

    public byte[] Original(WalFileName file) => _workload.Read(file);

    public string MakeDirectory(string name) => Directory.CreateDirectory(_directory.Combine(name)).FullName;

    /// <summary>Whether the archivers send every file through the stages, as files larger than memory.</summary>
    public bool InStages { get; init; }

    /// <summary>Codec of a destination beside one of <c>zstd</c>: another one takes the stages, the same keeps to the one pass.</summary>
    public string BesideZstd => InStages ? "lz4" : "zstd";

    public ArchiverSetup Archiver() => new(DataDirectory, InStages ? 0 : WalCopier.MostAtOnce);

    /// <summary>Everything below a directory except the marker and what a state directory keeps of the cluster and its last segment, temporary files included.</summary>
    public static string[] FilesIn(string directory) =>
        [.. Directory.EnumerateFiles(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(f => Path.GetRelativePath(directory, f)).Where(f => f != WalArchiveMarker.Key && !f.EndsWith(".archived", StringComparison.Ordinal) && f != SegmentChain.FileName).Order(StringComparer.Ordinal)];

    public static byte[] Decode(string path)
    {
        using var source = File.OpenRead(path);
        using var decoder = (Codec.ForExtension(path) ?? Codec.None).Decompress(source);
        using var target = new MemoryStream();
        decoder.CopyTo(target);
        return target.ToArray();
    }

    /// <summary>The server's control file with other fields, and the checksum that belongs to them.</summary>
    public void WriteControlFile(ulong systemIdentifier, ulong redo = 0, uint? version = null)
    {
        var bytes = _workload.ControlFileBytes.With(b =>
        {
            BinaryPrimitives.WriteUInt64LittleEndian(b, systemIdentifier);
            BinaryPrimitives.WriteUInt64LittleEndian(b.AsSpan(40), redo);
        });
        ControlFileBytes.Seal(bytes);
        if (version is { } other)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), other);
        File.WriteAllBytes(Path.Combine(DataDirectory, "global", "pg_control"), bytes);
    }

    public void Dispose() => _directory.Dispose();
}
