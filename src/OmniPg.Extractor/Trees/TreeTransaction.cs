using System.Text.Json;

namespace OmniPg.Extractor;

/// <summary>One change of a tree, all or nothing: staged beside it, made durable, then renamed into place file by file with a journal.</summary>
/// <remarks>Staging calls are thread-safe; the rest is not. Disposal without <see cref="CommitAsync"/> leaves the tree as it was.</remarks>
internal sealed class TreeTransaction : IDisposable
{
    private const int CompareBytes = 128 * 1024;
    private readonly FileLock _lock;
    private readonly Lazy<string> _staging;
    private readonly Stack<string> _createdFolders = [];
    private bool _journalled;

    private TreeTransaction(TreePaths paths, FileLock heldLock)
    {
        Paths = paths;
        _lock = heldLock;
        // Created on first use: a run that finds everything unchanged writes nothing at all.
        _staging = new Lazy<string>(() =>
        {
            CreateFolder(paths.Root);
            return CreateStaging(paths);
        });
    }

    public TreePaths Paths { get; }

    /// <summary>Directory for this transaction's own temporary files; goes away with it.</summary>
    public string Staging => _staging.Value;

    /// <exception cref="TreeConflictException">Another writer works on the tree.</exception>
    public static TreeTransaction Begin(string root)
    {
        var paths = new TreePaths(root);
        DurableFile.CreateDirectory(paths.Parent);
        var held = paths.TryLock() ?? throw new TreeConflictException(paths.Root,
            $"Another extraction is writing the tree '{paths.Root}'.", "Wait until it has ended; a lock of a dead process does not block.");
        try
        {
            TreeJournal.Recover(paths);
            return new TreeTransaction(paths, held);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Whether the tree holds exactly this content under the name already.</summary>
    public bool Holds(string relative, ReadOnlySpan<byte> content)
    {
        var target = new FileInfo(Target(relative));
        if (!target.Exists || target.Length != content.Length)
            return false;
        return File.ReadAllBytes(target.FullName).AsSpan().SequenceEqual(content);
    }

    /// <summary>Whether the tree holds exactly the content of a file under the name already; in constant memory.</summary>
    public bool Holds(string relative, string path)
    {
        var (held, staged) = (new FileInfo(Target(relative)), new FileInfo(path));
        if (!held.Exists || held.Length != staged.Length)
            return false;
        using var a = File.OpenHandle(held.FullName);
        using var b = File.OpenHandle(path);
        var (one, two) = (new byte[CompareBytes], new byte[CompareBytes]);
        for (long at = 0; at < held.Length; at += CompareBytes)
        {
            var read = RandomAccess.Read(a, one, at);
            if (RandomAccess.Read(b, two, at) != read || !one.AsSpan(0, read).SequenceEqual(two.AsSpan(0, read)))
                return false;
        }
        return true;
    }

    public bool Exists(string relative) => File.Exists(Target(relative));

    public void Stage(string relative, ReadOnlySpan<byte> content)
    {
        using var file = File.OpenHandle(PathForStaged(relative), FileMode.Create, FileAccess.Write, FileShare.None, FileOptions.None, content.Length);
        RandomAccess.Write(file, content, 0);
        if (!TreeJournal.FlushesWholeFileSystem)
            DurableFile.FlushToDisk(file);
    }

    /// <summary>Moves a finished file of <see cref="Staging"/> among those to publish.</summary>
    public void StageFile(string relative, string path)
    {
        if (!TreeJournal.FlushesWholeFileSystem)
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            DurableFile.FlushToDisk(file);
        }
        File.Move(path, PathForStaged(relative), overwrite: true);
    }

    /// <summary>Publishes every staged file and removes the named ones; after the journal is on disk the new tree is certain.</summary>
    /// <param name="replace">Relative paths of the staged files, the manifest among them.</param>
    /// <param name="delete">Relative paths to remove.</param>
    /// <param name="cancellationToken">Honoured until the journal is written.</param>
    public async Task CommitAsync(IReadOnlyList<string> replace, IReadOnlyList<string> delete, CancellationToken cancellationToken)
    {
        // Directories first: a disk that has no room for them must say so while nothing has happened yet.
        foreach (var relative in replace)
            CreateFolder(Path.GetDirectoryName(Target(relative))!);
        TreeJournal.Flush(Staging);
        var journal = new TreeJournal(replace, delete);
        cancellationToken.ThrowIfCancellationRequested();
        await journal.WriteAsync(Staging, CancellationToken.None).ConfigureAwait(false);
        _journalled = true;
        journal.Apply(Paths, Staging);
    }

    public void Dispose()
    {
        try
        {
            // With a journal the work is decided: it stays for the next writer or reader to finish.
            if (!_journalled && _staging.IsValueCreated && Directory.Exists(Staging))
                Directory.Delete(Staging, recursive: true);
            if (!_journalled)
                RemoveCreatedFolders();
        }
        finally
        {
            _lock.Dispose();
        }
    }

    // A change that did not come to be leaves none of its folders behind; a folder that somebody used meanwhile stays.
    private void RemoveCreatedFolders()
    {
        while (_createdFolders.TryPop(out var folder))
        {
            if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
                Directory.Delete(folder);
        }
    }

    private void CreateFolder(string folder)
    {
        if (Directory.Exists(folder))
            return;
        CreateFolder(Path.GetDirectoryName(folder)!);
        Directory.CreateDirectory(folder);
        _createdFolders.Push(folder);
    }

    /// <summary>Full path of a managed file after a check that no part of the way is a link or something else than expected.</summary>
    private string Target(string relative)
    {
        var full = Paths.Full(relative);
        for (var folder = Path.GetDirectoryName(full)!; folder.Length > Paths.Root.Length; folder = Path.GetDirectoryName(folder)!)
            RefuseUnless(new DirectoryInfo(folder).LinkTarget is null && !File.Exists(folder), folder, "a directory");
        RefuseUnless(new FileInfo(full).LinkTarget is null && !Directory.Exists(full), full, "a regular file");
        return full;
    }

    private void RefuseUnless(bool expected, string path, string kind)
    {
        if (!expected)
            throw new TreeConflictException(Path.GetRelativePath(Paths.Root, path),
                $"'{path}' is not {kind}, but the extraction has to write there.", "Move it away; links inside a tree are never followed.");
    }

    private string PathForStaged(string relative)
    {
        var path = Path.Combine(TreeJournal.FilesOf(Staging), relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    private static string CreateStaging(TreePaths paths)
    {
        var beside = paths.NewStagingIn(paths.Parent);
        try
        {
            Directory.CreateDirectory(TreeJournal.FilesOf(beside));
            if (CanRename(beside, paths.NewProbe()))
                return beside;
            Directory.Delete(beside, recursive: true);
        }
        catch (UnauthorizedAccessException)
        {
            // Not our directory; the tree itself is.
        }
        var inside = paths.NewStagingIn(paths.Root);
        Directory.CreateDirectory(TreeJournal.FilesOf(inside));
        return inside;
    }

    // Found by renaming a file: two directories can lie in one file system and still refuse it.
    private static bool CanRename(string source, string to)
    {
        var from = Path.Combine(source, Path.GetRandomFileName());
        File.WriteAllBytes(from, []);
        try
        {
            TreeJournal.Rename(from, to);
            File.Delete(to);
            return true;
        }
        catch (IOException)
        {
            File.Delete(from);
            return false;
        }
    }
}

/// <summary>What a writer has decided to do, made durable before it does the first of it: whoever finds it can finish the work.</summary>
/// <remarks>The order of durability of a tree: staged files, <see cref="Flush"/>, the journal, renames, deletions, the manifest, <see cref="Flush"/>.</remarks>
internal sealed record TreeJournal(IReadOnlyList<string> Replace, IReadOnlyList<string> Delete)
{
    private const string FileName = "journal.json";

    /// <summary>Whether many small files become durable by one call instead of one fsync each.</summary>
    public static bool FlushesWholeFileSystem => OperatingSystem.IsLinux();

    public static string FilesOf(string staging) => Path.Combine(staging, "files");

    public static TreeJournal? TryRead(string staging)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(staging, FileName)), TreeJson.Default.TreeJournal);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    public Task WriteAsync(string staging, CancellationToken cancellationToken) => DurableFile.WriteAllBytesAsync(
        Path.Combine(staging, FileName), JsonSerializer.SerializeToUtf8Bytes(this, TreeJson.Default.TreeJournal), cancellationToken);

    /// <summary>Carries the journal out. Every step may have been done before by a writer that died; the manifest comes last.</summary>
    public void Apply(TreePaths paths, string staging)
    {
        var files = FilesOf(staging);
        foreach (var relative in Replace.Where(static name => name != TreePaths.ManifestName))
            Publish(paths, files, relative);
        foreach (var relative in Delete)
            Remove(paths, relative);
        Publish(paths, files, TreePaths.ManifestName);
        Flush(paths.Root);
        File.Delete(Path.Combine(staging, FileName));
        Directory.Delete(staging, recursive: true);
    }

    /// <summary>Finishes or sweeps away what writers left that were killed: with a journal forward to the new tree, without one back to the old.</summary>
    /// <remarks>To be called under the tree's lock only, so that no staging directory belongs to a running writer.</remarks>
    public static void Recover(TreePaths paths)
    {
        // Before what tells that a writer was here.
        foreach (var probe in paths.FindProbes())
            File.Delete(probe);
        foreach (var staging in paths.FindStaging())
        {
            if (TryRead(staging) is { } journal)
                journal.Apply(paths, staging);
            else
                Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>Makes everything written so far to the directory's file system durable (Linux), or just the directory's names elsewhere.</summary>
    public static void Flush(string directory)
    {
        if (FlushesWholeFileSystem)
            Posix.FlushFileSystem(directory);
        else
            DurableFile.FlushDirectory(directory);
    }

    /// <summary>Gives a staged file its final name; replaces a file, never a directory.</summary>
    public static void Rename(string source, string target)
    {
        if (OperatingSystem.IsWindows())
            File.Move(source, target, overwrite: true);
        else
            Posix.RenameOver(source, target);
    }

    private static void Publish(TreePaths paths, string files, string relative)
    {
        var staged = Path.Combine(files, relative);
        if (!File.Exists(staged))
            return;
        var target = paths.Full(relative);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        Rename(staged, target);
        if (!FlushesWholeFileSystem)
            DurableFile.FlushDirectory(Path.GetDirectoryName(target)!);
    }

    private static void Remove(TreePaths paths, string relative)
    {
        var target = paths.Full(relative);
        File.Delete(target);
        for (var folder = Path.GetDirectoryName(target)!; folder.Length > paths.Root.Length; folder = Path.GetDirectoryName(folder)!)
        {
            if (!Directory.Exists(folder))
                continue;
            if (Directory.EnumerateFileSystemEntries(folder).Any())
                break;
            Directory.Delete(folder);
        }
    }
}
