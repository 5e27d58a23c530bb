using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>Looks at every byte once, beside the branches: SHA-256 and validation.</summary>
internal sealed class ContentInspector(int queueCapacity, WalSegmentValidator? validator, bool needsSha256)
{
    public BufferQueue Queue { get; } = new(queueCapacity);

    /// <summary>Runs until the queue is completed.</summary>
    /// <exception cref="WalValidationException">The content is wrong; the rest of it is passed over.</exception>
    public async Task<Inspection> RunAsync()
    {
        try
        {
            using var sha256 = needsSha256 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
            long length = 0;
            while (await Queue.DequeueAsync().ConfigureAwait(false) is { } buffer)
            {
                length += buffer.Length;
                try
                {
                    sha256?.AppendData(buffer.Filled.Span);
                    validator?.Append(buffer.Filled.Span);
                }
                finally
                {
                    buffer.Release();
                }
            }

            return new Inspection(sha256 is null ? "" : Sha256Text.Finish(sha256), length, validator);
        }
        finally
        {
            Queue.Close();
        }
    }
}

/// <summary>What the inspection found.</summary>
internal sealed record Inspection(string Sha256, long RawBytes, WalSegmentValidator? Validator);
