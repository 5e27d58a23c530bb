using System.Buffers;

namespace OmniPg.Wal;

/// <summary>Reads content that goes nowhere, only to know whether it is right.</summary>
internal static class ContentCheck
{
    private const int BufferBytes = 256 * 1024;

    /// <exception cref="WalValidationException">The content is wrong.</exception>
    public static async Task<WalValidationResult> RunAsync(
        Stream content, WalFileName name, WalValidation level, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var validator = new WalSegmentValidator(name, level, expectations);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                validator.Append(buffer.AsSpan(0, read));
            return validator.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
