
namespace OmniPg.Extractor.Tests.Diffing;

public sealed class UnifiedDiffTests
{
    [Fact]
    public void Hunks_have_the_form_of_diff_u()
    {
        string[] left = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        string[] right = ["a", "B", "c", "d", "e", "f", "g", "h", "i", "j", "l", "m"];

        UnifiedDiff.Write("a/x", "b/x", left, right, 1).Should().Be("""
            --- a/x
            +++ b/x
            @@ -1,3 +1,3 @@
             a
            -b
            +B
             c
            @@ -10,3 +10,3 @@
             j
            -k
             l
            +m

            """.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Edits_turn_the_left_text_into_the_right_one()
    {
        var random = new Random(7);
        for (var round = 0; round < 300; round++)
        {
            var left = Lines(random);
            var right = Lines(random);

            var edits = UnifiedDiff.LineDiff.Run(left, right);

            edits.Where(e => e.Mark != '+').Select(e => left[e.Left]).Should().Equal(left);
            edits.Where(e => e.Mark != '-').Select(e => e.Mark == ' ' ? left[e.Left] : right[e.Right]).Should().Equal(right);
        }
    }

    [Fact]
    public void Texts_without_common_lines_are_replaced_whole()
    {
        var left = Enumerable.Range(0, 5000).Select(i => $"l{i}").ToArray();
        var right = Enumerable.Range(0, 5000).Select(i => $"r{i}").ToArray();

        UnifiedDiff.LineDiff.Run(left, right).Should().HaveCount(10000);
    }

    private static string[] Lines(Random random) => [.. Enumerable.Range(0, random.Next(30)).Select(_ => ((char)('a' + random.Next(5))).ToString())];
}
