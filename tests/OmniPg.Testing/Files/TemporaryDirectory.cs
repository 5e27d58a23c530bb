namespace OmniPg.Testing;

/// <summary>A fresh directory that is deleted with its content on disposal.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    /// <summary>Creates the directory.</summary>
    /// <param name="parent">Where; <see langword="null"/> is the system's temp directory.</param>
    /// <param name="forServer">Whether the server's account owns it.</param>
    public TemporaryDirectory(string? parent = null, bool forServer = false)
    {
        Path = Directory.CreateDirectory(System.IO.Path.Combine(parent ?? System.IO.Path.GetTempPath(), "omnipg-test-" + System.IO.Path.GetRandomFileName())).FullName;
        if (forServer)
            ServerAccount.Own(Path);
    }

    /// <summary>Its full path.</summary>
    public string Path { get; }

    /// <summary>A path below it.</summary>
    /// <param name="parts">Names to append.</param>
    /// <returns>The path; nothing is created.</returns>
    public string Combine(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>Deletes the directory.</summary>
    public void Dispose()
    {
        if (Directory.Exists(Path))
            Directory.Delete(Path, recursive: true);
    }
}
