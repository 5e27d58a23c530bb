using System.Buffers;

namespace OmniPg.Wal;

/// <summary>Checks and moves one prefetched file.</summary>
internal static class SpooledFile
{
    private const int BufferBytes = 256 * 1024;

    /// <exception cref="WalValidationException">The file is torn, changed, or of another cluster.</exception>
    public static async Task<long> ValidateAsync(string path, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var validator = new WalSegmentValidator(name, WalValidation.Full, expectations);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            long offset = 0;
            for (int read; (read = await RandomAccess.ReadAsync(file, buffer, offset, cancellationToken).ConfigureAwait(false)) > 0; offset += read)
                validator.Append(buffer.AsSpan(0, read));
            return validator.Complete().Bytes;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>In two steps, because a move between file systems is a copy, and the final name must never show half of one.</summary>
    public static void MoveTo(string spooled, string path)
    {
        var beside = DurableFile.TemporaryNameFor(path);
        try
        {
            File.Move(spooled, beside);
            File.Move(beside, path, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }
}
