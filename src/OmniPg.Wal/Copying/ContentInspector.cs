using System.IO.Hashing;
using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>Looks at every byte once, beside the branches: hash and validation, and the SHA-256 of what is stored as it is.</summary>
internal sealed class ContentInspector(int queueCapacity, WalSegmentValidator? validator, bool needsHash, bool needsSha256)
{
    public BufferQueue Queue { get; } = new(queueCapacity);

    /// <summary>Runs until the queue is completed.</summary>
    /// <exception cref="WalValidationException">The content is wrong; the rest of it is passed over.</exception>
    public async Task<Inspection> RunAsync()
    {
        try
        {
            using var sha256 = needsSha256 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
            var hash = needsHash ? new XxHash128() : null;
            long length = 0;
            while (await Queue.DequeueAsync().ConfigureAwait(false) is { } buffer)
            {
                length += buffer.Length;
                try
                {
                    hash?.Append(buffer.Filled.Span);
                    sha256?.AppendData(buffer.Filled.Span);
                    validator?.Append(buffer.Filled.Span);
                }
                finally
                {
                    buffer.Release();
                }
            }

            return new Inspection(HashText.Finish(hash), HashText.Finish(sha256), length, validator);
        }
        finally
        {
            Queue.Close();
        }
    }
}

/// <summary>What the inspection found.</summary>
internal sealed record Inspection(string Xxh128, string Sha256, long RawBytes, WalSegmentValidator? Validator);

/// <summary>Hashes as lower-case hex digits, the form in which they stand in files and messages; empty for one that was not wanted.</summary>
internal static class HashText
{
    public static string Finish(XxHash128? hash) => hash is null ? "" : Convert.ToHexStringLower(hash.GetCurrentHash());

    public static string Finish(IncrementalHash? hash) => hash is null ? "" : Convert.ToHexStringLower(hash.GetHashAndReset());
}
