using System.Text.Json;

namespace OmniPg.Extractor;

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
