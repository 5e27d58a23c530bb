using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Arguments;

public sealed class ExtractorArgumentsTests
{
    [Fact]
    public void Options_of_the_original_are_understood()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.Combine("args"), "--host=db.example.org\n-p\n5433\n-N\naudit,old_*\n");

        var arguments = ExtractorArguments.Parse(
            ["@" + directory.Combine("args"), "-d", "shop", "--getall", "--getsequences", "--gettriggers", "--delete", "--schemadir", "-j", "3", "--orreplace", "--gitpush", "--commitmsg", "a {b}"]);

        arguments.ConnectionString.Should().Be("Host=db.example.org;Port=5433;Database=shop");
        arguments.Extraction.Kinds.Should().Be(ObjectKinds.OriginalAll | ObjectKinds.Sequences);
        arguments.Extraction.Copies.Should().Be(FileCopies.OwnedSequences | FileCopies.Triggers);
        arguments.Extraction.Roles.Should().BeTrue();
        arguments.Extraction.StaleFiles.Should().Be(StaleFiles.DeleteAllSql);
        arguments.Extraction.MaxDegreeOfParallelism.Should().Be(3);
        arguments.Extraction.Layout.DatabaseDirectory.Should().BeNull();
        arguments.Git!.Push.Should().BeTrue();
        arguments.CommitMessage.Should().Be("a {{b}}");
    }

    [Theory]
    [InlineData("--nonsense", "The option '--nonsense' is not known.")]
    [InlineData("--port", "The option '--port' needs a value.")]
    [InlineData("--port=x", "'--port' is 'x', which is no number.")]
    [InlineData("--nodbnamedir", "No extraction options set.*")]
    [InlineData("@/nowhere", "The argument file '/nowhere' cannot be read:*")]
    public void Wrong_arguments_are_named(string argument, string message)
    {
        var act = () => ExtractorArguments.Parse([argument]);

        act.Should().Throw<ExtractorOptionException>().WithMessage(message);
    }

    [Fact]
    public void Every_option_of_the_original_is_known_by_all_its_names()
    {
        using var directory = new TemporaryDirectory();
        var list = directory.Combine("list");
        File.WriteAllText(list, "item\n");
        string[] flags =
        [
            "--schemadir", "--nodbnamedir", "--getall", "--getschemata", "--gettables", "--getviews", "--getfuncs", "--gettypes", "--getextensions", "--getroles",
            "--getdefaultprivs", "--getservers", "--getusermappings", "--getsequences", "--gettriggers", "--getrules", "--getdata", "--no_owner", "-x", "--no_acl",
            "--no_privileges", "--delete", "--clean", "--orreplace", "--remove_passwords", "--inserts", "--column_inserts", "--attribute_inserts", "--keep_dump",
            "-q", "--quiet", "--debug",
        ];
        (string Name, string Value)[] values =
        [
            ("--host", "h"), ("-p", "1"), ("--port", "1"), ("-U", "u"), ("--username", "u"), ("-d", "d"), ("--dbname", "d"), ("--service", "s"), ("--encoding", "UTF8"),
            ("--pgpass", "f"), ("--basedir", "b"), ("--hostnamedir", "h"), ("--dbnamedir", "d"), ("--pgbin", "b"), ("--temp", "t"), ("-j", "2"), ("--jobs", "2"),
            ("-w", "0.5"), ("--wait", "0.5"),
            .. new[] { ("n", "schema_include"), ("N", "schema_exclude"), ("t", "table_include"), ("T", "table_exclude"), ("v", "view_include"), ("V", "view_exclude"),
                ("o", "owner_include"), ("O", "owner_exclude") }.SelectMany(name => new[] { ("-" + name.Item1, "item"), ("--" + name.Item2, "item"),
                ("-" + name.Item1 + "f", list), ("--" + name.Item2 + "_file", list) }),
            ("-pf", list), ("--function_include_file", list), ("-Pf", list), ("--function_exclude_file", list), ("-rf", list), ("--regex_include_file", list),
            ("-Rf", list), ("--regex_exclude_file", list),
        ];

        var act = () => ExtractorArguments.Parse([.. flags, .. values.SelectMany(option => new[] { option.Name, option.Value })]);

        act.Should().NotThrow();
        foreach (var (name, value) in values.Where(option => option.Name.StartsWith("--", StringComparison.Ordinal)))
            FluentActions.Invoking(() => ExtractorArguments.Parse(["--getall", $"{name}={value}"])).Should().NotThrow();
    }

    [Fact]
    public void Filters_and_files_of_the_original_arrive_in_their_place()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.Combine("list"), "# one\napp.f(integer, text)\n");

        var options = ExtractorArguments.Parse(["--getall", "-napp,other", "-T", "app.a, app.b", "-pf", directory.Combine("list"), "-Oann"]).Extraction;

        options.Filter.Schemas.Admits("other").Should().BeTrue();
        options.Filter.Schemas.Admits("third").Should().BeFalse();
        options.Filter.Tables.Admits("app.b").Should().BeFalse();
        options.Filter.Routines.Admits("app.f(integer, text)").Should().BeTrue();
        options.Filter.Routines.Admits("app.f(integer)").Should().BeFalse();
        options.Filter.Owners.Admits("ann").Should().BeFalse();
    }

    [Fact]
    public void Options_for_the_program_and_those_without_effect_are_handed_on()
    {
        var arguments = ExtractorArguments.Parse(["--getall", "--quiet", "--debug", "--temp", "/scratch", "-w", "1.5", "-j", "0", "--basedir", "/trees", "--keep_dump"]);

        (arguments.Quiet, arguments.Debug).Should().Be((true, true));
        arguments.WithoutEffect.Should().Equal("--temp", "--wait");
        arguments.Extraction.MaxDegreeOfParallelism.Should().Be(1);
        arguments.Extraction.KeepArchive.Should().Be(Path.Combine("/trees", "dump", "pg_extractor_dump.pgr"));
        ExtractorArguments.Parse(["--getall", "--wait=0"]).WithoutEffect.Should().BeEmpty();
    }

    [Theory]
    [InlineData("-Fc", "'-Fc' asks for an archive per table, which is not made.*")]
    [InlineData("--version", "'--version' asks for a text of the program, not for an extraction.*")]
    [InlineData("--examples", "'--examples' asks for a text of the program, not for an extraction.*")]
    [InlineData("--wait=long", "'--wait' is 'long', which is no number of seconds.")]
    [InlineData("--remove_passwords", "'--remove_passwords' needs '--getroles' or '--getall'.")]
    [InlineData("--inserts", "'--inserts' and '--column_inserts' need '--getdata'.")]
    [InlineData("-z5", "The option '-z5' is not known.")]
    [InlineData("stray", "The option 'stray' is not known.")]
    public void Options_that_cannot_be_followed_are_refused_by_name(string argument, string message)
    {
        var act = () => ExtractorArguments.Parse(["--gettables", argument]);

        act.Should().Throw<ExtractorOptionException>().WithMessage(message);
    }
}
