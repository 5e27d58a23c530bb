using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Copies from a regular file and finds out when it was replaced or changed meanwhile.</summary>
internal sealed class FileCopySource : ICopySource
{
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly FileStat _identity;
    private long _position;

    private FileCopySource(string path, SafeFileHandle file, FileStat identity)
    {
        _path = path;
        _file = file;
        _identity = identity;
    }

    public long? Length => _identity.Bytes;

    public DateTimeOffset? Modified => _identity.Modified;

    /// <summary>Opens a file, refusing what is not a regular one: opening a FIFO would block for ever.</summary>
    /// <exception cref="WalInputException">The file is missing, of another kind, or cannot be read.</exception>
    public static FileCopySource Open(string path)
    {
        var identity = Look(path);
        try
        {
            // Shared with everybody: .NET would otherwise take a lock on a file that belongs to the server.
            var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
            return new FileCopySource(path, file, identity);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalInputException.Unreadable(path, refused);
        }
    }

    public ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        try
        {
            var count = RandomAccess.Read(_file, target.Span, _position);
            _position += count;
            return new ValueTask<int>(count);
        }
        catch (IOException refused)
        {
            throw WalInputException.Unreadable(_path, refused);
        }
    }

    public void VerifyUnchanged(long bytesRead)
    {
        var now = Look(_path);
        if (now != _identity)
            throw WalInputException.Changed(_path, Describe(_identity), Describe(now));
        if (bytesRead != _identity.Bytes)
            throw WalInputException.Changed(_path, $"{_identity.Bytes} bytes", $"{bytesRead} bytes read");
    }

    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    private static FileStat Look(string path)
    {
        try
        {
            if (!FileStat.TryGet(path, out var stat))
                throw WalInputException.Missing(path);
            return stat.IsRegular ? stat : throw WalInputException.NotRegular(path);
        }
        catch (IOException refused)
        {
            throw WalInputException.Unreadable(path, refused);
        }
    }

    private static string Describe(FileStat stat) =>
        string.Create(CultureInfo.InvariantCulture, $"inode {stat.Inode}, {stat.Bytes} bytes, modified {stat.Modified:O}");
}
