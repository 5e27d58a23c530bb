using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What does it cost to validate WAL before it is archived? Each operation takes 4 segments of 16 MiB in buffers of 128 KiB, as the archiver does.</summary>
[Config(typeof(ValidatorConfig))]
public class ValidatorBenchmarks
{
    private const int BufferBytes = 128 * 1024;

    private ValidatorCorpus _corpus = null!;

    /// <summary>Kind of WAL.</summary>
    [Params("fpi", "small")]
    public string Wal { get; set; } = "";

    [GlobalSetup]
    public void Setup() => _corpus = ValidatorCorpus.Get(Wal);

    /// <summary>What the archiver computes for each segment anyway.</summary>
    [Benchmark(Baseline = true)]
    public int Sha256()
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        foreach (var (_, content) in _corpus.Segments)
        {
            using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            for (var at = 0; at < content.Length; at += BufferBytes)
                sha.AppendData(content, at, BufferBytes);
            sha.GetHashAndReset(hash);
        }

        return hash[0];
    }

    [Benchmark]
    public long None() => Validate(WalValidation.None);

    [Benchmark]
    public long Header() => Validate(WalValidation.Header);

    [Benchmark]
    public long Full() => Validate(WalValidation.Full);

    private long Validate(WalValidation level)
    {
        var records = 0L;
        var expectations = _corpus.Expectations;
        foreach (var (name, content) in _corpus.Segments)
        {
            var validator = new WalSegmentValidator(name, level, expectations);
            for (var at = 0; at < content.Length; at += BufferBytes)
                validator.Append(content.AsSpan(at, BufferBytes));
            var summary = validator.Complete();
            records += summary.Records;
            expectations = expectations with { Previous = summary.Next };
        }

        return records;
    }
}
