using Microsoft.Win32.SafeHandles;
using OmniPg.Shared;

namespace OmniPg;

/// <summary>Files that survive power loss: temporary name, flush to disk, publish under the final name, flush the directory.</summary>
/// <remarks>
/// The order is the guarantee. A name that <see cref="PublishNew"/> or <see cref="Replace"/> made visible points to complete content, and after
/// <see cref="FlushDirectory"/> the name itself is on disk: only then may anybody be told that the file is safe. On Windows directory flushes do
/// nothing, because the file system journals names by itself.
/// </remarks>
public static class DurableFile
{
    /// <summary>Makes the content of an open file durable (<c>fsync</c>).</summary>
    /// <param name="file">An open file handle.</param>
    /// <exception cref="IOException">The disk refused. Never retried: after a failed fsync the kernel may have dropped the dirty pages.</exception>
    public static void FlushToDisk(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
#pragma warning disable RS0030 // Here alone.
        // macOS keeps written data in the drive until F_FULLFSYNC, which the runtime asks for.
        if (!OperatingSystem.IsLinux())
            RandomAccess.FlushToDisk(file);
#pragma warning restore RS0030
        if (!OperatingSystem.IsWindows())
            Posix.FlushFile(file);
    }

    /// <summary>Makes the names in a directory durable.</summary>
    /// <param name="path">The directory.</param>
    /// <exception cref="IOException">The directory cannot be opened or flushed.</exception>
    public static void FlushDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!OperatingSystem.IsWindows())
            Posix.FlushDirectory(path);
    }

    /// <summary>Gives a flushed temporary file its final name; never replaces. The caller flushes the directory afterwards.</summary>
    /// <param name="temporaryPath">The complete, flushed file, in the same file system as the final name.</param>
    /// <param name="finalPath">The name to publish.</param>
    /// <returns><see langword="false"/> when the final name is taken; both files are untouched then.</returns>
    /// <exception cref="IOException">The file system refused for another reason.</exception>
    public static bool PublishNew(string temporaryPath, string finalPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(temporaryPath);
        ArgumentException.ThrowIfNullOrEmpty(finalPath);
        if (!OperatingSystem.IsWindows())
            return Posix.RenameNew(temporaryPath, finalPath);
        try
        {
            File.Move(temporaryPath, finalPath, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(finalPath))
        {
            return false;
        }
    }

    /// <summary>Gives a flushed temporary file its final name and flushes the directory; an old file of that name is replaced at once.</summary>
    /// <param name="temporaryPath">The complete, flushed file, in the same directory as the final name.</param>
    /// <param name="finalPath">The name to publish.</param>
    /// <exception cref="IOException">The file system refused.</exception>
    public static void Replace(string temporaryPath, string finalPath)
    {
        File.Move(temporaryPath, finalPath, overwrite: true);
        FlushDirectory(DirectoryOf(finalPath));
    }

    /// <summary>Creates a directory with its missing parents and makes every new name durable.</summary>
    /// <param name="path">The directory; nothing happens when it exists.</param>
    /// <exception cref="IOException">The file system refused.</exception>
    public static void CreateDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var missing = new Stack<string>();
        for (var at = Path.GetFullPath(path); at is not null && !Directory.Exists(at); at = Path.GetDirectoryName(at))
            missing.Push(at);
        foreach (var directory in missing)
        {
            Directory.CreateDirectory(directory);
            FlushDirectory(DirectoryOf(directory));
        }
    }

    /// <summary>Writes a small file so that a reader and a crash see either the old content or the new one, and returns when the new one is durable.</summary>
    /// <param name="path">The file; replaced when it exists.</param>
    /// <param name="content">All of its bytes.</param>
    /// <param name="cancellationToken">Cancels before publication; no trace is left then.</param>
    /// <returns>A task that ends when the file and its name are on disk.</returns>
    /// <exception cref="IOException">The file system refused; the old content is intact.</exception>
    public static async Task WriteAllBytesAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        var temporary = TemporaryNameFor(path);
        try
        {
            using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, content.Length))
            {
                await RandomAccess.WriteAsync(file, content, 0, cancellationToken).ConfigureAwait(false);
                FlushToDisk(file);
            }
            Replace(temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>A fresh hidden name beside the final one, <c>.NAME.RANDOM.tmp</c>; the same directory keeps the later rename atomic.</summary>
    /// <param name="finalPath">The name that will be published.</param>
    /// <returns>Full or relative path like <paramref name="finalPath"/>.</returns>
    public static string TemporaryNameFor(string finalPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(finalPath);
        return Path.Combine(Path.GetDirectoryName(finalPath) ?? "", $".{Path.GetFileName(finalPath)}.{Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal)}.tmp");
    }

    private static string DirectoryOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
}
