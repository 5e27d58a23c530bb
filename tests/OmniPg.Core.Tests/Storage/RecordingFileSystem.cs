namespace OmniPg.Core.Tests.Storage;

/// <summary>Does what the real one does, writes it down, and fails at one kind of call when told to.</summary>
internal sealed class RecordingFileSystem(string root) : DirectoryObjectStore.FileSystem
{
    public List<string> Calls { get; } = [];

    public string? FailAt { get; init; }

    public override FileStream CreateNew(string path, UnixFileMode mode)
    {
        Record($"create {Short(path)}");
        return base.CreateNew(path, mode);
    }

    public override void Write(FileStream file, ReadOnlySpan<byte> bytes, long offset)
    {
        Record($"write {Short(file.Name)} {bytes.Length}");
        base.Write(file, bytes, offset);
    }

    public override void SetModified(FileStream file, DateTimeOffset time)
    {
        Record($"set time {Short(file.Name)}");
        base.SetModified(file, time);
    }

    public override void FlushToDisk(FileStream file)
    {
        Record($"fsync {Short(file.Name)}");
        base.FlushToDisk(file);
    }

    public override void FlushExisting(string path)
    {
        Record($"fsync {Short(path)}");
        base.FlushExisting(path);
    }

    public override bool PublishNew(string temporaryPath, string finalPath)
    {
        Record($"publish {Short(temporaryPath)} as {Short(finalPath)}");
        return base.PublishNew(temporaryPath, finalPath);
    }

    public override void FlushDirectory(string path)
    {
        Record($"fsync directory {Short(path)}");
        base.FlushDirectory(path);
    }

    public override void CreateDirectory(string path)
    {
        Record($"create directory {Short(path)}");
        base.CreateDirectory(path);
    }

    public override void Delete(string path)
    {
        Record($"delete {Short(path)}");
        base.Delete(path);
    }

    private void Record(string call)
    {
        Calls.Add(call);
        if (FailAt is { } step && call.StartsWith(step, StringComparison.Ordinal))
            throw new IOException("No space left on device");
    }

    private string Short(string path)
    {
        var relative = Path.GetRelativePath(root, path);
        var name = Path.GetFileName(relative);
        return name.StartsWith('.') ? Path.Combine(Path.GetDirectoryName(relative)!, name.Length == 1 ? "" : ".TEMP") : relative;
    }
}
