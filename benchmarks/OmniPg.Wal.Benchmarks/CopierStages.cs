using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What each stage of the pump costs alone, on one core, in pieces of the pump's size: their sum says how fast two cores can be at best.</summary>
internal sealed class CopierStages(SegmentSet segments)
{
    private const int Count = 8;
    private const int Rounds = 7;
    private const int PieceBytes = BufferPool.BufferBytes;
    private readonly IReadOnlyList<WalFileName> _sample = segments.Sample(Count);
    private readonly string _root = Directory.CreateTempSubdirectory("omnipg-stages-").FullName;
    private readonly byte[] _piece = GC.AllocateArray<byte>(PieceBytes, pinned: true);
    private readonly List<(string Name, double Milliseconds)> _stages = [];
    private int _fileNumber;

    public void Run()
    {
        Console.WriteLine("| stage | ms/segment |\n|---|---|");
        var read = Time("read from the page cache", (_, name) => Read(name));
        var sha256 = Time("SHA-256", (content, _) => Hash(content));
        var validate = Time("validation Full", Validate);
        var oneCall = Time("libzstd -1, one call, no checksum", (content, _) => ZstdInMemory.Compress(content, 1));
        var encode = Time("codec zstd:1 as the pump runs it", (content, _) => Encode(content, Codec.Zstd, 1));
        Time("codec zstd:3 as the pump runs it", (content, _) => Encode(content, Codec.Zstd, 3));
        Time("codec lz4 as the pump runs it", (content, _) => Encode(content, Codec.Lz4, null));
        var packed = _sample.ToDictionary(n => n, n => ZstdInMemory.Compress(File.ReadAllBytes(segments.PathOf(n)), 1).ToArray());
        var write = Time("write + fsync of the zstd:1 output", (_, name) => Write(packed[name], publish: false));
        var publish = Time("the same + rename + fsync of the directory", (_, name) => Write(packed[name], publish: true));
        Directory.Delete(_root, recursive: true);

        var all = read + sha256 + validate + encode;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nOutput: {packed.Values.Average(p => p.Length) / 1048576:0.00} MiB of 16."));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Two cores at best: {Math.Max(all / 2, encode) + publish:0.0} ms ({(Math.Max(all / 2, encode) + publish) / (oneCall + write):0.00} of one call + write + fsync), one core: {all + publish:0.0} ms."));
    }

    private double Time(string name, Action<byte[], WalFileName> stage)
    {
        var best = double.MaxValue;
        var contents = _sample.ToDictionary(n => n, n => File.ReadAllBytes(segments.PathOf(n)));
        for (var round = 0; round < Rounds; round++)
        {
            var started = Stopwatch.GetTimestamp();
            foreach (var segment in _sample)
                stage(contents[segment], segment);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalMilliseconds / Count);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {best:0.0} |"));
        return best;
    }

    private void Read(WalFileName name)
    {
        using var file = File.OpenHandle(segments.PathOf(name), options: FileOptions.SequentialScan);
        for (var position = 0L; RandomAccess.Read(file, _piece, position) is > 0 and var count;)
            position += count;
    }

    private static void Hash(byte[] content)
    {
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var at = 0; at < content.Length; at += PieceBytes)
            sha256.AppendData(content.AsSpan(at, PieceBytes));
        sha256.GetHashAndReset();
    }

    private void Validate(byte[] content, WalFileName name)
    {
        var validator = new WalSegmentValidator(name, WalValidation.Full, segments.Expectations);
        for (var at = 0; at < content.Length; at += PieceBytes)
            validator.Append(content.AsSpan(at, PieceBytes));
        validator.Complete();
    }

    private static void Encode(byte[] content, Codec codec, int? level)
    {
        using var encoder = codec.Compress(Stream.Null, level);
        for (var at = 0; at < content.Length; at += PieceBytes)
            encoder.Write(content.AsSpan(at, PieceBytes));
    }

    private void Write(byte[] packed, bool publish)
    {
        var path = Path.Combine(_root, $"f{_fileNumber++}");
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.Write(file, packed, 0);
        RandomAccess.FlushToDisk(file);
        if (!publish)
            return;
        File.Move(path, path + ".zst");
        DurableFile.FlushDirectory(_root);
    }
}
