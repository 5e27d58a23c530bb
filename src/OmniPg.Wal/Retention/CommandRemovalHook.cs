namespace OmniPg.Wal;

/// <summary>
/// Runs a program for every file before it is removed. The file is unpacked to <c>pg_wal/NAME</c> in a fresh directory, which is the
/// program's working directory; the argument <c>{path}</c> stands for that path. Another exit code than 0 keeps this file and all newer ones.
/// </summary>
public sealed class CommandRemovalHook : IWalRemovalHook
{
    private const string Placeholder = "{path}";

    private readonly string _program;
    private readonly string[] _arguments;

    /// <summary>Names the program. No shell is involved; for a shell line pass <c>bash</c>, <c>-c</c> and the line.</summary>
    /// <param name="program">Path or name of the program.</param>
    /// <param name="arguments">Its arguments; <c>{path}</c> in one of them is replaced, and without it the path is the last argument.</param>
    public CommandRemovalHook(string program, params string[] arguments)
    {
        ArgumentException.ThrowIfNullOrEmpty(program);
        ArgumentNullException.ThrowIfNull(arguments);
        _program = program;
        _arguments = Array.Exists(arguments, a => a.Contains(Placeholder, StringComparison.Ordinal)) ? arguments : [.. arguments, Placeholder];
    }

    /// <summary>Where the fresh directory is made (<c>--temp-dir</c>).</summary>
    /// <value>Default <see langword="null"/>: among the system's temporary files (<c>TMPDIR</c>).</value>
    public string? TemporaryDirectory { get; init; }

    /// <inheritdoc/>
    /// <exception cref="ExternalProcessException">The program did not start or ended with another exit code than 0.</exception>
    public async Task OnRemovingAsync(WalArchivedFile file, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(content);
        var folder = MakeFolder();
        try
        {
            var path = Path.Combine("pg_wal", file.Name.ToString());
            Directory.CreateDirectory(Path.Combine(folder, "pg_wal"));
            var target = new FileStream(Path.Combine(folder, path), FileMode.CreateNew, FileAccess.Write);
            await using (target.ConfigureAwait(false))
                await content.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
            await RunAsync(folder, path, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // A name that nobody can guess, for its owner alone: others write into directories for temporary files too.
    private string MakeFolder()
    {
        const string Prefix = "omnipg-wal-removal-";
        if (TemporaryDirectory is not { } parent)
            return Directory.CreateTempSubdirectory(Prefix).FullName;
        var path = Path.Combine(Path.GetFullPath(parent), Prefix + Guid.NewGuid().ToString("N"));
        return OperatingSystem.IsWindows()
            ? Directory.CreateDirectory(path).FullName
            : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
    }

    private async Task RunAsync(string folder, string path, CancellationToken cancellationToken) =>
        await ExternalProcess.RunAsync(
            new ExternalProcessOptions
            {
                FileName = _program,
                Arguments = [.. _arguments.Select(a => a.Replace(Placeholder, path, StringComparison.Ordinal))],
                WorkingDirectory = folder,
            },
            cancellationToken).ConfigureAwait(false);
}

/// <summary>Sees every WAL file before it is removed from an archive: the original's <c>--pre-removal-processing</c>.</summary>
public interface IWalRemovalHook
{
    /// <summary>Handles one file. When it throws, this file and all newer ones stay.</summary>
    /// <param name="file">The file that is about to go.</param>
    /// <param name="content">Its uncompressed content; valid during the call.</param>
    /// <param name="cancellationToken">Cancels; the file stays.</param>
    /// <returns>A task that ends when the file may go.</returns>
    Task OnRemovingAsync(WalArchivedFile file, Stream content, CancellationToken cancellationToken);
}
