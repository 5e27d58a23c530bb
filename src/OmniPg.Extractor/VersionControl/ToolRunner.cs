using System.Text;

namespace OmniPg.Extractor;

/// <summary>Runs a version control program in the tree's directory: no shell, no questions, no translation.</summary>
internal sealed class ToolRunner(IProcessLauncher launcher, string program, string directory, IReadOnlyDictionary<string, string?> environment)
{
    public async Task<string> RunAsync(IReadOnlyList<string> arguments, string? input = null, CancellationToken cancellationToken = default)
    {
        var options = new ExternalProcessOptions
        {
            FileName = program,
            Arguments = arguments,
            WorkingDirectory = directory,
            Environment = environment,
            RedirectInput = input is not null,
        };
        try
        {
            return await launcher.RunAsync(options, input, cancellationToken).ConfigureAwait(false);
        }
        catch (ExternalProcessException error)
        {
            var command = arguments.FirstOrDefault(static a => !a.StartsWith('-')) ?? "";
            throw error.Result is { } result
                ? new VersionControlException(program, command, result.ErrorTail)
                : new VersionControlException(program, command, error.Message, error);
        }
    }
}

/// <summary>A temporary file with paths, for programs that read long lists from files.</summary>
internal sealed class PathList : IDisposable
{
    public PathList(IEnumerable<string> paths, char separator)
    {
        Path = System.IO.Path.GetTempFileName();
        File.WriteAllText(Path, string.Concat(paths.Select(path => path + separator)), new UTF8Encoding(false));
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
