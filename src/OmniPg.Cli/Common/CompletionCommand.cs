using System.CommandLine;

namespace OmniPg.Cli;

/// <summary><c>omnipg completion SHELL</c>: lets a shell ask the program itself what may come next.</summary>
internal static class CompletionCommand
{
    private const string Bash =
        """
        _omnipg() {
            local IFS=$'\n'
            COMPREPLY=($(omnipg "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null | grep -- "^${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _omnipg omnipg
        """;

    private const string Zsh =
        """
        #compdef omnipg
        _omnipg() {
            local -a words_
            words_=("${(@f)$(omnipg "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
            compadd -a words_
        }
        compdef _omnipg omnipg
        """;

    private const string Fish =
        """
        complete -c omnipg -f -a '(omnipg "[suggest:"(commandline -C)"]" (commandline) 2>/dev/null)'
        """;

    private static readonly Argument<CompletionShell> For = new("SHELL") { Description = "bash, zsh or fish" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "completion", "Prints what makes a shell complete commands and options", "source <(omnipg completion bash)",
        (session, _) =>
        {
            session.Out.WriteLine(session.Get(For) switch
            {
                CompletionShell.Zsh => Zsh,
                CompletionShell.Fish => Fish,
                _ => Bash,
            });
            return Task.FromResult(ExitCodes.Done);
        },
        For);
}
