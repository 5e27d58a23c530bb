namespace OmniPg.Wal;

/// <summary>The file to archive is missing, is no regular file, cannot be read or changed while it was read. Nothing was published.</summary>
public sealed class WalInputException : WalException
{
    private WalInputException(string code, string path, string message, string hint, Exception? inner = null)
        : base(code, message, hint, inner)
    {
        Path = path;
        File = System.IO.Path.GetFileName(path);
    }

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    internal static WalInputException Missing(string path) =>
        new("wal.input.missing", path, $"The file '{path}' does not exist.", "Check the data directory and that '%p' is given.");

    internal static WalInputException NotRegular(string path) =>
        new("wal.input.not-regular", path, $"'{path}' is no regular file.", "Links, directories and pipes are never archived.");

    internal static WalInputException Unreadable(string path, Exception inner) =>
        new("wal.input.unreadable", path, $"The file '{path}' cannot be read: {inner.Message}", "Run as the account that owns the data directory.", inner);

    internal static WalInputException Changed(string path, string before, string after) =>
        new("wal.input.changed", path, $"The file '{path}' changed while it was read: '{before}' before, '{after}' after.",
            "Archive only what PostgreSQL hands over by archive_command: a finished segment never changes.");
}
