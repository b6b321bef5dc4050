import java.io.FileInputStream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;

/** Says of each file whether it is PDF/A-3b, and what of it is not. */
public class Check {
    public static void main(String[] files) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        for (String file : files) {
            try (var in = new FileInputStream(file);
                    var parser = Foundries.defaultInstance().createParser(in, PDFAFlavour.PDFA_3_B);
                    var validator = Foundries.defaultInstance().createValidator(PDFAFlavour.PDFA_3_B, false)) {
                var result = validator.validate(parser);
                String said = result.isCompliant() ? "compliant" : "NOT compliant";
                System.out.println(said + " " + result.getTotalAssertions() + " " + file);
                result.getTestAssertions().stream().limit(20).forEach(one -> System.out.println(
                        "  " + one.getRuleId().getClause() + "-" + one.getRuleId().getTestNumber() + " " + one.getMessage()));
            }
        }
    }
}
