using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>A script that makes a shell complete verbs and options, written from the same tables that parse. It starts no program per key press.</summary>
internal sealed class CompletionVerb : Verb
{
    public override string Name => "completion";

    public override string Summary => "print what makes a shell complete verbs and options: bash, fish or zsh";

    public override string Operands => "bash|fish|zsh";

    public override string Example => "source <(omnipg-wal completion bash)";

    public override IReadOnlyList<Option> Options => [];

    public override Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(1, "the name of a shell: bash, fish or zsh");
        context.Output.Write(arguments.Operands[0] switch
        {
            "bash" => Bash(),
            "fish" => Fish(),
            "zsh" => Zsh(),
            var other => throw new UsageException($"'{other}' is none of bash, fish, zsh."),
        });
        return Task.FromResult(ExitCodes.Done);
    }

    private static IEnumerable<Option> OptionsOf(Verb verb) => verb.AllOptions.Where(o => o.Refusal is null);

    private static string Verbs => string.Join(' ', VerbTable.Visible.Select(v => v.Name));

    private static string Bash()
    {
        var script = new StringBuilder("_omnipg_wal() {\n    local words\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='").Append(Verbs)
            .Append("'\n    else\n        case ${COMP_WORDS[1]} in\n");
        AppendCases(script, "words=");
        return script.Append("        esac\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _omnipg_wal omnipg-wal\n").ToString();
    }

    private static string Zsh()
    {
        var script = new StringBuilder("#compdef omnipg-wal\n_omnipg_wal() {\n    if (( CURRENT == 2 )); then\n        compadd -- ").Append(Verbs)
            .Append("\n        return\n    fi\n    local words_=''\n    case $words[2] in\n");
        AppendCases(script, "words_=");
        return script.Append("    esac\n    if [[ $PREFIX == -* ]]; then compadd -- ${(s: :)words_}; else _files; fi\n}\ncompdef _omnipg_wal omnipg-wal\n").ToString();
    }

    private static void AppendCases(StringBuilder script, string assignment)
    {
        foreach (var verb in VerbTable.Visible)
        {
            var words = verb is CompletionVerb ? "bash fish zsh" : string.Join(' ', OptionsOf(verb).Select(o => o.Name));
            script.Append("            ").Append(verb.Name).Append(") ").Append(assignment).Append('\'').Append(words).Append("' ;;\n");
        }
    }

    private static string Fish()
    {
        var script = new StringBuilder();
        foreach (var verb in VerbTable.Visible)
        {
            script.Append("complete -c omnipg-wal -f -n __fish_use_subcommand -a ").Append(verb.Name).Append(" -d ").AppendLine(Quoted(verb.Summary));
            foreach (var option in OptionsOf(verb))
            {
                script.Append("complete -c omnipg-wal -n '__fish_seen_subcommand_from ").Append(verb.Name).Append("' -l ").Append(option.Name.TrimStart('-'))
                    .Append(option.Kind == OptionKind.Value ? " -r" : "").Append(" -d ").AppendLine(Quoted(option.Help));
            }
        }

        return script.AppendLine("complete -c omnipg-wal -f -n '__fish_seen_subcommand_from completion' -a 'bash fish zsh'").ToString();
    }

    private static string Quoted(string text) => $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}
