using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

public sealed partial class PgControlFile
{
    private const int Attempts = 10;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Reads the file of a data directory. A running server may be rewriting it, so a wrong CRC is read again up to 10 times, 10 ms apart.</summary>
    /// <param name="dataDirectory">The data directory (<c>PGDATA</c>).</param>
    /// <param name="timeProvider">Clock for the pauses; <see langword="null"/> means that of the system.</param>
    /// <returns>The content.</returns>
    /// <exception cref="WalControlFileException">The file is missing, unreadable, damaged or of an unknown version.</exception>
    public static PgControlFile Read(string dataDirectory, TimeProvider? timeProvider = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataDirectory);
        var path = Path.Combine(dataDirectory, RelativePath);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return Parse(ReadBytes(path), path);
            }
            catch (WalControlFileException error) when (error.Code == DamagedCode && attempt < Attempts)
            {
                WaitBlocking(timeProvider ?? TimeProvider.System);
            }
        }
    }

    /// <inheritdoc cref="Read"/>
    /// <param name="dataDirectory">The data directory (<c>PGDATA</c>).</param>
    /// <param name="timeProvider">Clock for the pauses; <see langword="null"/> means that of the system.</param>
    /// <param name="cancellationToken">Ends the attempts.</param>
    public static async Task<PgControlFile> ReadAsync(
        string dataDirectory, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default) =>
        (await ReadImageAsync(dataDirectory, timeProvider, cancellationToken).ConfigureAwait(false)).Content;

    /// <summary>The file with its bytes, for a copy of it: one read while the server writes it may be torn.</summary>
    internal static async Task<(PgControlFile Content, byte[] Bytes)> ReadImageAsync(
        string dataDirectory, TimeProvider? timeProvider, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataDirectory);
        var path = Path.Combine(dataDirectory, RelativePath);
        for (var attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                var bytes = ReadBytes(path);
                return (Parse(bytes, path), bytes);
            }
            catch (WalControlFileException error) when (error.Code == DamagedCode && attempt < Attempts)
            {
                await Task.Delay(Pause, timeProvider ?? TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // 8 KiB from the page cache: one system call, not worth an asynchronous one.
    private static byte[] ReadBytes(string path)
    {
        try
        {
            using SafeFileHandle file = System.IO.File.OpenHandle(path);
            var bytes = new byte[Shared.ControlFileLayout.Length];
            var count = RandomAccess.Read(file, bytes, 0);
            return count == bytes.Length ? bytes : bytes[..count];
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new WalControlFileException("wal.control.missing", $"'{path}' does not exist.", "Name the data directory of a PostgreSQL cluster (PGDATA).", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new WalControlFileException(
                "wal.control.unreadable", $"'{path}' cannot be read: {error.Message}", "Run as the owner of the data directory, or as a member of its group.", error);
        }
    }

    private static void WaitBlocking(TimeProvider timeProvider)
    {
        using var elapsed = new ManualResetEventSlim();
        using var timer = timeProvider.CreateTimer(static state => ((ManualResetEventSlim)state!).Set(), elapsed, Pause, Timeout.InfiniteTimeSpan);
        elapsed.Wait();
    }
}
