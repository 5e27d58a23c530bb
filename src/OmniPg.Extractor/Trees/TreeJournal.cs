using System.Text.Json;
using OmniPg.IO;

namespace OmniPg.Extractor.Trees;

/// <summary>What a writer has decided to do, made durable before it does the first of it: whoever finds it can finish the work.</summary>
internal sealed record TreeJournal(IReadOnlyList<string> Replace, IReadOnlyList<string> Delete)
{
    private const string FileName = "journal.json";

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
        NativeTreeFiles.Flush(paths.Root);
        File.Delete(Path.Combine(staging, FileName));
        Directory.Delete(staging, recursive: true);
    }

    private static void Publish(TreePaths paths, string files, string relative)
    {
        var staged = Path.Combine(files, relative);
        if (!File.Exists(staged))
            return;
        var target = paths.Full(relative);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        NativeTreeFiles.Rename(staged, target);
        if (!NativeTreeFiles.FlushesWholeFileSystem)
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
