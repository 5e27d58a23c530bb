namespace OmniPg.Extractor.VersionControl;

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
