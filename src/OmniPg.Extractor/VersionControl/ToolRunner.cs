using System.Text;
using OmniPg.Processes;

namespace OmniPg.Extractor.VersionControl;

/// <summary>Runs a version control program in the tree's directory: no shell, no questions, no translation.</summary>
internal sealed class ToolRunner(string program, string directory, IReadOnlyDictionary<string, string?> environment)
{
    public async Task<string> RunAsync(IReadOnlyList<string> arguments, string? input = null, CancellationToken cancellationToken = default)
    {
        try
        {
            var process = ExternalProcess.Start(new ExternalProcessOptions
            {
                FileName = program,
                Arguments = arguments,
                WorkingDirectory = directory,
                Environment = environment,
                RedirectInput = input is not null,
            });
            await using (process.ConfigureAwait(false))
            {
                if (input is not null)
                {
                    await process.StandardInput.WriteAsync(Encoding.UTF8.GetBytes(input), cancellationToken).ConfigureAwait(false);
                    process.StandardInput.Close();
                }
                using var reader = new StreamReader(process.StandardOutput, Encoding.UTF8);
                var output = await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
                var result = await process.WaitAsync(cancellationToken).ConfigureAwait(false);
                return result.ExitCode == 0 ? output : throw new VersionControlException(program, CommandOf(arguments), result.ErrorTail);
            }
        }
        catch (ExternalProcessException error)
        {
            throw new VersionControlException(program, CommandOf(arguments), error.Message, error);
        }
    }

    private static string CommandOf(IReadOnlyList<string> arguments) => arguments.FirstOrDefault(static a => !a.StartsWith('-')) ?? "";
}
