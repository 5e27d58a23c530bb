using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal.Copying;

/// <summary>Copies from a regular file and finds out when it was replaced or changed meanwhile.</summary>
internal sealed class FileCopySource : ICopySource
{
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly FileIdentity _identity;
    private long _position;

    private FileCopySource(string path, SafeFileHandle file, FileIdentity identity)
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
        var identity = FileIdentity.OfPath(path);
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
        var now = FileIdentity.OfPath(_path);
        if (now != _identity)
            throw WalInputException.Changed(_path, _identity.ToString(), now.ToString());
        if (bytesRead != _identity.Bytes)
            throw WalInputException.Changed(_path, $"{_identity.Bytes} bytes", $"{bytesRead} bytes read");
    }

    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }
}
